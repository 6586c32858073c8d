#ifndef PULL_H
#define PULL_H

#include "connection.h"
#include "figures.h"

typedef struct {
  target to;
  int connections;
  double seconds;
  uint64_t count; /* requests in all, 0: until the time is over */
  const char *requests; /* file: METHOD, path, status, length (-1: any), header or nothing; tabs between */
} pull_options;

/* Sends the file's requests over and over; what is under way at the end is waited for. */
void pull(const pull_options *options, figures *out);
/* Opens connections, sends each the first request, reads nothing for the time. */
void stall(const pull_options *options, figures *out);

#endif
