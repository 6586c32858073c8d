/* A thread per connection, blocking. All blobs of a run share their bytes but the last 64: one state of SHA-256 is
   computed before the clock starts, and finished for each blob. */
#define _GNU_SOURCE
#include "push.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sha256.h"

enum { PAGE = 1 << 20, CHUNK = 32 << 10, TAIL = 64 };

typedef struct {
  const push_options *options;
  char *page;
  sha256 prefix;
  atomic_ullong next;
  double deadline;
} work;

typedef struct {
  work *shared;
  connection link;
  answer reply;
  figures done;
  char location[5000];
} worker;

typedef struct {
  const char *bytes; /* the whole body, or NULL: pages of the work, then the tail */
  uint64_t size;
  char tail[TAIL + 1];
  char digest[80];
} blob;

static void read_answer(worker *w, const char *what) {
  char buffer[16384];
  while (w->reply.state != COMPLETE) {
    ssize_t got = connection_read(&w->link, buffer, sizeof buffer);
    if (got == READ_AGAIN) fail("%s: no answer for 60 s", what);
    if (got == READ_LOST || (got == READ_END && !answer_ended(&w->reply))) fail("%s: the connection is lost", what);
    if (got > 0) answer_take(&w->reply, buffer, (size_t)got);
  }
}

static void reopen_closed(worker *w) {
  if (!w->reply.closes) return;
  connection_close(&w->link);
  w->link = connection_open(&w->shared->options->to, 0);
}

static bool send_piece(worker *w, const char *bytes, size_t size, bool chunked) {
  char frame[CHUNK + 32];
  if (!chunked) return connection_write(&w->link, bytes, size);
  int head = snprintf(frame, sizeof frame, "%zx\r\n", size);
  memcpy(frame + head, bytes, size);
  memcpy(frame + (size_t)head + size, "\r\n", 2);
  return connection_write(&w->link, frame, (size_t)head + size + 2);
}

static bool send_body(worker *w, const blob *b, bool chunked) {
  size_t step = chunked ? CHUNK : PAGE;
  if (b->bytes != NULL) {
    if (!send_piece(w, b->bytes, b->size, false)) return false;
  } else {
    uint64_t left = b->size - TAIL;
    for (size_t at = 0; left > 0;) {
      size_t take = step < PAGE - at ? step : PAGE - at;
      if (take > left) take = (size_t)left;
      if (!send_piece(w, w->shared->page + at, take, chunked)) return false;
      left -= take;
      at = (at + take) % PAGE;
    }
    if (!send_piece(w, b->tail, TAIL, chunked)) return false;
  }
  return !chunked || connection_write(&w->link, "0\r\n\r\n", 5);
}

/* One exchange. An answer that comes before all was sent is read too: it says why. */
static void exchange(worker *w, const char *method, const char *path, const char *headers, const blob *body,
                     bool chunked, int expected) {
  char head[8192], framing[64] = "Content-Length: 0\r\n";
  bool is_head = strcmp(method, "HEAD") == 0;
  if (is_head) framing[0] = 0;
  else if (chunked) snprintf(framing, sizeof framing, "Transfer-Encoding: chunked\r\n");
  else if (body != NULL) snprintf(framing, sizeof framing, "Content-Length: %llu\r\n", (unsigned long long)body->size);
  const target *to = &w->shared->options->to;
  int size = snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: %s:%d\r\n%s%s%s\r\n", method, path, to->host,
                      to->port, to->headers, headers, framing);
  if (size < 0 || (size_t)size >= sizeof head) fail("%s %.100s: the request's head is too large", method, path);
  answer_begin(&w->reply, is_head);
  bool is_sent = connection_write(&w->link, head, (size_t)size) && (body == NULL || send_body(w, body, chunked));
  char what[256];
  snprintf(what, sizeof what, "%s %.150s%s", method, path, is_sent ? "" : " (not all of it sent)");
  read_answer(w, what);
  if (w->reply.status != expected) fail("%s: status %d where %d was expected", what, w->reply.status, expected);
  if (!is_sent) fail("%s: answered before all was there", what);
  reopen_closed(w);
}

/* Keeps the Location's path, with ?digest= if asked. */
static void follow_location(worker *w, const char *digest) {
  const char *from = w->reply.location, *scheme = strstr(from, "://");
  if (from[0] == 0) fail("an upload was answered without a Location");
  if (scheme != NULL && (from = strchr(scheme + 3, '/')) == NULL) fail("a Location without a path: %s", w->reply.location);
  snprintf(w->location, sizeof w->location, "%s%s%s", from,
           digest == NULL ? "" : strchr(from, '?') != NULL ? "&digest=" : "?digest=", digest == NULL ? "" : digest);
}

static const char OCTETS[] = "Content-Type: application/octet-stream\r\n";

static void push_blob(worker *w, const blob *b) {
  char path[1024];
  const push_options *options = w->shared->options;
  if (options->shape == POST) {
    snprintf(path, sizeof path, "/v2/%s/blobs/uploads/?digest=%s", options->repository, b->digest);
    exchange(w, "POST", path, OCTETS, b, false, 201);
    return;
  }
  snprintf(path, sizeof path, "/v2/%s/blobs/uploads/", options->repository);
  exchange(w, "POST", path, "", NULL, false, 202);
  if (options->shape == PUT) {
    follow_location(w, b->digest);
    exchange(w, "PUT", w->location, OCTETS, b, false, 201);
    return;
  }
  follow_location(w, NULL);
  exchange(w, "PATCH", w->location, OCTETS, b, b->bytes == NULL, 202);
  follow_location(w, b->digest);
  exchange(w, "PUT", w->location, "", NULL, false, 201);
}

static blob make_blob(const work *shared, uint64_t number, int part) {
  blob b = {.size = shared->options->size};
  char unique[TAIL + 1];
  snprintf(unique, sizeof unique, "%.40s %llu %d", shared->options->seed, (unsigned long long)number, part);
  memset(b.tail, '.', TAIL);
  memcpy(b.tail, unique, strlen(unique));
  sha256 state = shared->prefix;
  sha256_add(&state, b.tail, TAIL);
  sha256_digest(state, b.digest);
  return b;
}

static blob whole(const char *text) {
  blob b = {.bytes = text, .size = strlen(text)};
  sha256 state;
  sha256_begin(&state);
  sha256_add(&state, text, b.size);
  sha256_digest(state, b.digest);
  return b;
}

static void push_new(worker *w, const blob *b) {
  char path[1024];
  snprintf(path, sizeof path, "/v2/%s/blobs/%s", w->shared->options->repository, b->digest);
  exchange(w, "HEAD", path, "", NULL, false, 404);
  push_blob(w, b);
  w->done.bytes += b->size;
}

static void push_image(worker *w, uint64_t number) {
  const push_options *options = w->shared->options;
  int layers = options->blobs_per_image;
  char config[512], *manifest = NULL, path[1024];
  size_t size = 0;
  snprintf(config, sizeof config,
           "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"Labels\":{\"run\":\"%.40s %llu\"}},"
           "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}",
           options->seed, (unsigned long long)number);
  blob config_blob = whole(config);
  FILE *out = open_memstream(&manifest, &size);
  if (out == NULL) fail("out of memory");
  fprintf(out,
          "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"config\":{\"mediaType\":"
          "\"application/vnd.oci.image.config.v1+json\",\"digest\":\"%s\",\"size\":%llu},\"layers\":[",
          config_blob.digest, (unsigned long long)config_blob.size);
  for (int i = 0; i < layers; i++) {
    blob layer = make_blob(w->shared, number, i);
    push_new(w, &layer);
    fprintf(out, "%s{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"%s\",\"size\":%llu}",
            i == 0 ? "" : ",", layer.digest, (unsigned long long)layer.size);
  }
  push_new(w, &config_blob);
  fputs("]}", out);
  fclose(out);
  blob body = whole(manifest);
  snprintf(path, sizeof path, "/v2/%s/manifests/%s-%llu", options->repository, options->seed, (unsigned long long)number);
  exchange(w, "PUT", path, "Content-Type: application/vnd.oci.image.manifest.v1+json\r\n", &body, false, 201);
  w->done.bytes += size;
  snprintf(w->done.last, sizeof w->done.last, "%s", config_blob.digest);
  free(manifest);
}

static void *run(void *of) {
  worker *w = of;
  work *shared = w->shared;
  const push_options *options = shared->options;
  for (;;) {
    uint64_t number = atomic_fetch_add(&shared->next, 1);
    double began = now_seconds();
    if (options->count > 0 && number >= options->count) break;
    if (options->seconds > 0 && began >= shared->deadline) break;
    if (options->blobs_per_image > 0) {
      push_image(w, number);
    } else {
      blob b = make_blob(shared, number, 0);
      push_blob(w, &b);
      w->done.bytes += b.size;
      snprintf(w->done.last, sizeof w->done.last, "%s", b.digest);
    }
    w->done.units++;
    times_add(&w->done.each, now_seconds() - began);
  }
  return NULL;
}

/* Bytes that do not compress, the same in each run. */
static void prepare(work *shared) {
  shared->page = malloc(PAGE);
  if (shared->page == NULL) fail("out of memory");
  uint64_t x = 0x9e3779b97f4a7c15;
  for (size_t i = 0; i < PAGE; i += 8) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    memcpy(shared->page + i, &x, 8);
  }
  sha256_begin(&shared->prefix);
  for (uint64_t left = shared->options->size - TAIL; left > 0;) {
    size_t take = left < PAGE ? (size_t)left : PAGE;
    sha256_add(&shared->prefix, shared->page, take);
    left -= take;
  }
}

void push(const push_options *options, figures *out) {
  if (options->size < TAIL) fail("a blob has at least %d bytes", TAIL);
  work shared = {.options = options};
  prepare(&shared);
  size_t count = (size_t)options->connections;
  pthread_t *threads = calloc(count, sizeof *threads);
  worker *workers = calloc(count, sizeof *workers);
  if (threads == NULL || workers == NULL) fail("out of memory");
  for (size_t i = 0; i < count; i++) {
    workers[i].shared = &shared;
    workers[i].link = connection_open(&options->to, 0);
  }
  double began = now_seconds();
  shared.deadline = began + options->seconds;
  for (size_t i = 0; i < count; i++)
    if (pthread_create(&threads[i], NULL, run, &workers[i]) != 0) fail("cannot start a thread");
  for (size_t i = 0; i < count; i++) pthread_join(threads[i], NULL);
  out->seconds = now_seconds() - began;
  for (size_t i = 0; i < count; i++) {
    out->units += workers[i].done.units;
    out->bytes += workers[i].done.bytes;
    times_merge(&out->each, &workers[i].done.each);
    if (workers[i].done.last[0] != 0) memcpy(out->last, workers[i].done.last, sizeof out->last);
  }
}
