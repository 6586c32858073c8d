#ifndef PUSH_H
#define PUSH_H

#include "connection.h"
#include "figures.h"

enum shape { PATCH, PUT, POST };

typedef struct {
  target to;
  int connections;
  enum shape shape;
  const char *repository;
  const char *seed;     /* makes this run's blobs different from all others; at most 40 characters */
  uint64_t size;        /* of a blob, at least 64 */
  uint64_t count;       /* of blobs or images in all, 0: until the time is over */
  double seconds;       /* no new one is begun after that, 0: no limit */
  int blobs_per_image;  /* 0: blobs alone */
} push_options;

/* Pushes blobs that were never there before, or whole images: per blob HEAD and the push, then config and manifest. */
void push(const push_options *options, figures *out);

#endif
