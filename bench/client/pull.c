/* One thread, epoll, each connection with one request at a time. Bodies are really received: into 1 MiB. */
#define _GNU_SOURCE
#include "pull.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

typedef struct {
  char *text; /* as sent */
  size_t size;
  char name[256]; /* for messages */
  bool is_head;
  int status;
  int64_t length;
} request;

typedef struct {
  connection link;
  answer reply;
  const request *asked;
  size_t next;
  double began;
  bool is_busy;
} client;

typedef struct {
  request *list;
  size_t count;
} requests;

static requests read_requests(const pull_options *options) {
  FILE *file = fopen(options->requests, "r");
  if (file == NULL) fail("cannot read %s", options->requests);
  requests all = {0};
  char line[8192];
  while (fgets(line, sizeof line, file) != NULL) {
    line[strcspn(line, "\n")] = 0;
    char *rest = line, *method = strsep(&rest, "\t"), *path = strsep(&rest, "\t"), *status = strsep(&rest, "\t"),
         *length = strsep(&rest, "\t");
    if (length == NULL) fail("a request has METHOD, path, status, length and a header: %s", line);
    bool has_header = rest != NULL && *rest != 0;
    request one = {.is_head = strcmp(method, "HEAD") == 0, .status = atoi(status), .length = atoll(length)};
    snprintf(one.name, sizeof one.name, "%s %.200s", method, path);
    int size = asprintf(&one.text, "%s %s HTTP/1.1\r\nHost: %s:%d\r\n%s%s%s\r\n", method, path, options->to.host,
                        options->to.port, options->to.headers, has_header ? rest : "", has_header ? "\r\n" : "");
    if (size < 0) fail("out of memory");
    one.size = (size_t)size;
    all.list = realloc(all.list, (all.count + 1) * sizeof *all.list);
    if (all.list == NULL) fail("out of memory");
    all.list[all.count++] = one;
  }
  fclose(file);
  if (all.count == 0) fail("no requests in %s", options->requests);
  return all;
}

static void ask(client *c, const requests *all) {
  c->asked = &all->list[c->next++ % all->count];
  c->began = now_seconds();
  c->is_busy = true;
  answer_begin(&c->reply, c->asked->is_head);
  if (!connection_write(&c->link, c->asked->text, c->asked->size)) fail("%s: the connection is lost", c->asked->name);
}

static void check(const client *c) {
  const request *asked = c->asked;
  const answer *reply = &c->reply;
  if (reply->status != asked->status)
    fail("%s: status %d where %d was expected", asked->name, reply->status, asked->status);
  int64_t got = asked->is_head ? reply->length : (int64_t)reply->body;
  if (asked->length >= 0 && got != asked->length)
    fail("%s: %lld bytes where %lld were expected", asked->name, (long long)got, (long long)asked->length);
}

static void watch(int poller, client *c, int how) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  if (epoll_ctl(poller, how, c->link.fd, &event) != 0) fail("epoll_ctl");
}

static void reopen(int poller, client *c, const target *to) {
  connection_close(&c->link);
  c->link = connection_open(to, 0);
  connection_nonblocking(&c->link);
  watch(poller, c, EPOLL_CTL_ADD);
}

/* Reads until there is nothing more for now; true when the answer is complete. */
static bool receive(client *c, char *buffer, size_t room, uint64_t *bytes) {
  uint64_t before = c->reply.body;
  bool is_complete = false;
  for (int turn = 0; !is_complete && (turn < 8 || c->link.tls != NULL); turn++) {
    ssize_t got = connection_read(&c->link, buffer, room);
    if (got == READ_AGAIN) break;
    if (got <= 0) {
      if (got == READ_LOST || !answer_ended(&c->reply)) fail("%s: the connection is lost", c->asked->name);
      c->reply.closes = is_complete = true;
      break;
    }
    size_t taken = answer_take(&c->reply, buffer, (size_t)got);
    if (taken < (size_t)got) fail("%s: more came than the answer", c->asked->name);
    is_complete = c->reply.state == COMPLETE;
    if ((size_t)got < room && c->link.tls == NULL) break;
  }
  *bytes += c->reply.body - before;
  return is_complete;
}

void pull(const pull_options *options, figures *out) {
  enum { ROOM = 1 << 20 };
  requests all = read_requests(options);
  char *buffer = malloc(ROOM);
  client *clients = calloc((size_t)options->connections, sizeof *clients);
  int poller = epoll_create1(0), busy = options->connections;
  if (buffer == NULL || clients == NULL || poller < 0) fail("out of memory");
  for (int i = 0; i < options->connections; i++) {
    clients[i].link = connection_open(&options->to, 0);
    clients[i].next = all.count * (size_t)i / (size_t)options->connections;
    connection_nonblocking(&clients[i].link);
    watch(poller, &clients[i], EPOLL_CTL_ADD);
  }
  double began = now_seconds(), deadline = began + options->seconds, last = began;
  uint64_t asked = (uint64_t)options->connections;
  for (int i = 0; i < options->connections; i++) ask(&clients[i], &all);
  while (busy > 0) {
    struct epoll_event events[256];
    int count = epoll_wait(poller, events, 256, 60000);
    if (count == 0) fail("no answer for 60 s (%s)", all.list[0].name);
    for (int i = 0; i < count; i++) {
      client *c = events[i].data.ptr;
      if (!c->is_busy) fail("%s: the server closed the connection or sent more", c->asked->name);
      if (!receive(c, buffer, ROOM, &out->bytes)) continue;
      check(c);
      last = now_seconds();
      times_add(&out->each, last - c->began);
      out->units++;
      c->is_busy = false;
      if (c->reply.closes) reopen(poller, c, &options->to);
      if (options->count > 0 ? asked++ < options->count : last < deadline) {
        ask(c, &all);
      } else {
        busy--;
        epoll_ctl(poller, EPOLL_CTL_DEL, c->link.fd, NULL);
      }
    }
  }
  out->seconds = last - began;
}

void stall(const pull_options *options, figures *out) {
  requests all = read_requests(options);
  for (int i = 0; i < options->connections; i++) {
    connection link = connection_open(&options->to, 4096);
    if (!connection_write(&link, all.list[0].text, all.list[0].size)) fail("the connection is lost");
    out->units++;
  }
  double began = now_seconds();
  usleep((useconds_t)(options->seconds * 1e6));
  out->seconds = now_seconds() - began;
}
