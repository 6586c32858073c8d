#define _GNU_SOURCE
#include "probe.h"

#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

static void sleep_until(double when) {
  struct timespec t = {.tv_sec = (time_t)when};
  t.tv_nsec = (long)((when - (double)t.tv_sec) * 1e9);
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) != 0) continue;
}

static void ask(connection *link, const char *text, size_t size) {
  char buffer[16384];
  answer reply;
  answer_begin(&reply, false);
  if (!connection_write(link, text, size)) fail("GET /v2/: the connection is lost");
  while (reply.state != COMPLETE) {
    ssize_t got = connection_read(link, buffer, sizeof buffer);
    if (got <= 0) fail("GET /v2/: %s", got == READ_AGAIN ? "no answer for 60 s" : "the connection is lost");
    answer_take(&reply, buffer, (size_t)got);
  }
  if (reply.status != 200) fail("GET /v2/: status %d where 200 was expected", reply.status);
  if (reply.closes) fail("GET /v2/: the server closed the connection");
}

void probe(const target *to, double every, double seconds, figures *out) {
  char text[8192];
  int size = snprintf(text, sizeof text, "GET /v2/ HTTP/1.1\r\nHost: %s:%d\r\n%s\r\n", to->host, to->port, to->headers);
  if (size < 0 || (size_t)size >= sizeof text) fail("GET /v2/: the request's head is too large");
  if (every <= 0) fail("--every is more than 0");
  /* Waiting for a processor is not the server's; only root may ask for this, and without it a figure is larger. */
  setpriority(PRIO_PROCESS, 0, -20);
  connection link = connection_open(to, 0);
  double began = now_seconds();
  uint64_t count = (uint64_t)(seconds / every + 0.5);
  for (uint64_t i = 0; i < count; i++) {
    double due = began + (double)i * every;
    sleep_until(due);
    ask(&link, text, (size_t)size);
    times_add(&out->each, now_seconds() - due);
    out->units++;
  }
  out->seconds = now_seconds() - began;
  connection_close(&link);
}
