/* client pull|stall|probe|push|sha256 --name value ...: prints one line of JSON, or says what was wrong and ends with 1. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe.h"
#include "pull.h"
#include "push.h"
#include "sha256.h"

static const char *option(int count, char **args, const char *name, const char *otherwise) {
  for (int i = 2; i + 1 < count; i += 2)
    if (strncmp(args[i], "--", 2) == 0 && strcmp(args[i] + 2, name) == 0) return args[i + 1];
  if (otherwise == NULL) fail("--%s is missing", name);
  return otherwise;
}

static enum shape shape_of(const char *name) {
  if (strcmp(name, "patch") == 0) return PATCH;
  if (strcmp(name, "put") == 0) return PUT;
  if (strcmp(name, "post") == 0) return POST;
  fail("--shape is patch, put or post");
}

/* Digest of the standard input: how the hash is tested. */
static int print_digest(void) {
  char buffer[65521], digest[80];
  sha256 state;
  sha256_begin(&state);
  for (size_t got; (got = fread(buffer, 1, sizeof buffer, stdin)) > 0;) sha256_add(&state, buffer, got);
  sha256_digest(state, digest);
  puts(digest);
  return 0;
}

static const char *headers_of(const char *authorization) {
  char *line = NULL;
  if (authorization[0] == 0) return "";
  if (asprintf(&line, "Authorization: %s\r\n", authorization) < 0) fail("out of memory");
  return line;
}

int main(int count, char **args) {
  const char *mode = count > 1 ? args[1] : "";
  if (strcmp(mode, "sha256") == 0) return print_digest();
  signal(SIGPIPE, SIG_IGN);
  figures result = {0};
  target to = {.host = option(count, args, "host", "127.0.0.1"),
               .port = atoi(option(count, args, "port", NULL)),
               .tls = strcmp(option(count, args, "tls", "no"), "yes") == 0,
               .headers = headers_of(option(count, args, "authorization", ""))};
  int connections = atoi(option(count, args, "connections", "1"));
  double seconds = atof(option(count, args, "seconds", "0"));
  if (connections < 1) fail("--connections is at least 1");
  if (strcmp(mode, "pull") == 0 || strcmp(mode, "stall") == 0) {
    pull_options options = {.to = to,
                            .connections = connections,
                            .seconds = seconds,
                            .count = strtoull(option(count, args, "count", "0"), NULL, 10),
                            .requests = option(count, args, "requests", NULL)};
    if (mode[0] == 'p') pull(&options, &result);
    else stall(&options, &result);
  } else if (strcmp(mode, "probe") == 0) {
    probe(&to, atof(option(count, args, "every", NULL)), seconds, &result);
  } else if (strcmp(mode, "push") == 0) {
    push_options options = {.to = to,
                            .connections = connections,
                            .shape = shape_of(option(count, args, "shape", "patch")),
                            .repository = option(count, args, "repository", NULL),
                            .seed = option(count, args, "seed", NULL),
                            .size = strtoull(option(count, args, "size", NULL), NULL, 10),
                            .count = strtoull(option(count, args, "count", "0"), NULL, 10),
                            .seconds = seconds,
                            .blobs_per_image = atoi(option(count, args, "blobs-per-image", "0"))};
    if (options.count == 0 && seconds <= 0) fail("--count or --seconds is missing");
    push(&options, &result);
  } else {
    fail("the first argument is pull, stall, probe, push or sha256");
  }
  figures_print(&result);
  return 0;
}
