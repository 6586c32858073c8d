#define _GNU_SOURCE
#include "probe.h"

#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* More than this many wait only where the server stands still for long; then they wait for one another too. */
enum { PROBES = 64 };

typedef struct {
  connection link;
  answer reply;
  double due;
  bool is_busy;
} asker;

static int timer_every(double seconds) {
  struct timespec each = {.tv_sec = (time_t)seconds};
  each.tv_nsec = (long)((seconds - (double)each.tv_sec) * 1e9);
  struct itimerspec when = {.it_interval = each, .it_value = each};
  int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (timer < 0 || timerfd_settime(timer, 0, &when, NULL) != 0) fail("timerfd");
  return timer;
}

static void watch(int poller, int fd, void *of) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = of};
  if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
}

/* What comes to one who asked for nothing: TLS gives tickets for later (RFC 8446, 4.6.1), and else it is the end. */
static void receive_unasked(asker *a) {
  char byte;
  if (a->link.tls == NULL || connection_read(&a->link, &byte, 1) != READ_AGAIN)
    fail("GET /v2/: the server closed the connection or sent more");
}

static void receive(asker *a, figures *out) {
  char buffer[16384];
  while (a->reply.state != COMPLETE) {
    ssize_t got = connection_read(&a->link, buffer, sizeof buffer);
    if (got == READ_AGAIN) return;
    if (got <= 0) fail("GET /v2/: the connection is lost");
    answer_take(&a->reply, buffer, (size_t)got);
  }
  if (a->reply.status != 200) fail("GET /v2/: status %d where 200 was expected", a->reply.status);
  if (a->reply.closes) fail("GET /v2/: the server closed the connection");
  times_add(&out->each, now_seconds() - a->due);
  out->units++;
  a->is_busy = false;
}

/* Sends what is due, each on a connection that waits for nothing. */
static void ask(asker *all, const char *text, size_t size, double began, double every, uint64_t due, uint64_t *sent) {
  for (asker *a = all; a < all + PROBES && *sent < due; a++) {
    if (a->is_busy) continue;
    a->due = began + (double)(++*sent) * every;
    a->is_busy = true;
    answer_begin(&a->reply, false);
    if (!connection_write(&a->link, text, size)) fail("GET /v2/: the connection is lost");
  }
}

void probe(const target *to, double every, double seconds, figures *out) {
  static asker all[PROBES];
  char text[8192];
  int size = snprintf(text, sizeof text, "GET /v2/ HTTP/1.1\r\nHost: %s:%d\r\n%s\r\n", to->host, to->port, to->headers);
  if (size < 0 || (size_t)size >= sizeof text) fail("GET /v2/: the request's head is too large");
  if (every <= 0) fail("--every is more than 0");
  /* Waiting for a processor is not the server's; only root may ask for this, and without it a figure is larger. */
  setpriority(PRIO_PROCESS, 0, -20);
  int poller = epoll_create1(0);
  for (asker *a = all; a < all + PROBES; a++) {
    a->link = connection_open(to, 0);
    connection_nonblocking(&a->link);
    watch(poller, a->link.fd, a);
  }
  uint64_t count = (uint64_t)(seconds / every + 0.5), due = 0, sent = 0;
  int timer = timer_every(every);
  watch(poller, timer, NULL);
  double began = now_seconds();
  while (out->units < count) {
    struct epoll_event events[PROBES + 1];
    int ready = epoll_wait(poller, events, PROBES + 1, 60000);
    /* The timer goes on for ever, so this is a server that does not. */
    if (now_seconds() > began + seconds + 60) fail("GET /v2/: no answer for 60 s");
    for (int i = 0; i < ready; i++) {
      asker *a = events[i].data.ptr;
      uint64_t passed = 0;
      if (a != NULL && !a->is_busy) receive_unasked(a);
      else if (a != NULL) receive(a, out);
      else if (read(timer, &passed, sizeof passed) == sizeof passed) due = due + passed < count ? due + passed : count;
    }
    ask(all, text, (size_t)size, began, every, due, &sent);
  }
  out->seconds = now_seconds() - began;
  for (asker *a = all; a < all + PROBES; a++) connection_close(&a->link);
  close(timer);
}
