/* What was measured: times of requests, and one line of JSON at the end. */
#ifndef FIGURES_H
#define FIGURES_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
  double *seconds;
  size_t count, room;
} times;

void times_add(times *t, double seconds);
void times_merge(times *into, const times *from);

typedef struct {
  uint64_t units; /* answers, blobs or images */
  uint64_t bytes; /* of bodies */
  double seconds; /* from the first request to the last answer */
  times each;     /* seconds per unit */
  char last[80];  /* digest of the last blob pushed, or "" */
} figures;

void figures_print(figures *f);

#endif
