#include "figures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "connection.h"

void times_add(times *t, double seconds) {
  if (t->count == t->room) {
    t->room = t->room == 0 ? 4096 : t->room * 2;
    t->seconds = realloc(t->seconds, t->room * sizeof *t->seconds);
    if (t->seconds == NULL) fail("out of memory");
  }
  t->seconds[t->count++] = seconds;
}

void times_merge(times *into, const times *from) {
  for (size_t i = 0; i < from->count; i++) times_add(into, from->seconds[i]);
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double milliseconds_at(const times *t, double share) {
  if (t->count == 0) return 0;
  size_t at = (size_t)(share * (double)(t->count - 1) + 0.5);
  return t->seconds[at] * 1000;
}

void figures_print(figures *f) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  double cpu = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
               (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
  if (f->each.count > 0) qsort(f->each.seconds, f->each.count, sizeof *f->each.seconds, ascending);
  printf("{\"units\":%llu,\"bytes\":%llu,\"seconds\":%.6f,\"p50\":%.4f,\"p99\":%.4f,\"max\":%.4f,"
         "\"clientCpu\":%.3f,\"last\":\"%s\"}\n",
         (unsigned long long)f->units, (unsigned long long)f->bytes, f->seconds, milliseconds_at(&f->each, 0.5),
         milliseconds_at(&f->each, 0.99), milliseconds_at(&f->each, 1), cpu, f->last);
}
