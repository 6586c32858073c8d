#define _GNU_SOURCE
#include "connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#ifdef WITH_OPENSSL
#include <openssl/err.h>
#include <openssl/ssl.h>
#endif

void fail(const char *format, ...) {
  va_list args;
  va_start(args, format);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  _exit(1);
}

double now_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

#ifdef WITH_OPENSSL
/* The certificate is the benchmark's own: it is not checked. */
static void *tls_open(int fd) {
  static SSL_CTX *context;
  static int lock;
  while (__sync_lock_test_and_set(&lock, 1)) usleep(100);
  if (context == NULL) context = SSL_CTX_new(TLS_client_method());
  SSL *ssl = context == NULL ? NULL : SSL_new(context);
  __sync_lock_release(&lock);
  if (ssl == NULL || SSL_set_fd(ssl, fd) != 1 || SSL_connect(ssl) != 1) fail("the TLS handshake failed");
  return ssl;
}
static ssize_t tls_result(void *ssl, int result) {
  if (result > 0) return result;
  int error = SSL_get_error(ssl, result);
  ERR_clear_error();
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return READ_AGAIN;
  return error == SSL_ERROR_ZERO_RETURN ? READ_END : READ_LOST;
}
static ssize_t tls_read(void *ssl, void *into, size_t size) { return tls_result(ssl, SSL_read(ssl, into, (int)size)); }
static ssize_t tls_write(void *ssl, const void *b, size_t size) { return tls_result(ssl, SSL_write(ssl, b, (int)size)); }
static void tls_close(void *ssl) { SSL_free(ssl); }
#else
static void *tls_open(int fd) {
  (void)fd;
  fail("compiled without TLS: the headers of OpenSSL were not there");
}
static ssize_t tls_read(void *ssl, void *into, size_t size) { return (void)ssl, (void)into, (void)size, READ_LOST; }
static ssize_t tls_write(void *ssl, const void *b, size_t size) { return (void)ssl, (void)b, (void)size, READ_LOST; }
static void tls_close(void *ssl) { (void)ssl; }
#endif

connection connection_open(const target *to, int receive_buffer) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)to->port)};
  if (inet_pton(AF_INET, to->host, &address.sin_addr) != 1) fail("not an IPv4 address: %s", to->host);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  if (fd < 0) fail("socket: %s", strerror(errno));
  struct timeval limit = {.tv_sec = 60};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (receive_buffer > 0) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
    fail("cannot connect to %s:%d: %s", to->host, to->port, strerror(errno));
  return (connection){.fd = fd, .tls = to->tls ? tls_open(fd) : NULL};
}

void connection_close(connection *c) {
  if (c->tls != NULL) tls_close(c->tls);
  close(c->fd);
}

void connection_nonblocking(connection *c) { fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) | O_NONBLOCK); }

ssize_t connection_read(connection *c, void *into, size_t size) {
  if (c->tls != NULL) return tls_read(c->tls, into, size);
  for (;;) {
    ssize_t got = recv(c->fd, into, size, 0);
    if (got >= 0) return got;
    if (errno == EAGAIN) return READ_AGAIN;
    if (errno != EINTR) return READ_LOST;
  }
}

bool connection_write(connection *c, const void *bytes, size_t size) {
  const char *from = bytes;
  while (size > 0) {
    ssize_t sent = c->tls != NULL ? tls_write(c->tls, from, size) : send(c->fd, from, size, MSG_NOSIGNAL);
    if (sent > 0) {
      from += sent;
      size -= (size_t)sent;
      continue;
    }
    bool again = c->tls != NULL ? sent == READ_AGAIN : sent < 0 && (errno == EAGAIN || errno == EINTR);
    struct pollfd wait = {.fd = c->fd, .events = POLLOUT};
    if (!again || poll(&wait, 1, 60000) != 1) return false;
  }
  return true;
}

void answer_begin(answer *a, bool is_head) {
  a->state = IN_HEAD;
  a->is_head = is_head;
  a->closes = false;
  a->status = 0;
  a->length = -1;
  a->body = a->left = 0;
  a->head_size = 0;
  a->location[0] = 0;
}

static bool is_field(const char *line, const char *name) { return strncasecmp(line, name, strlen(name)) == 0; }

static const char *value_of(const char *line) {
  const char *value = strchr(line, ':') + 1;
  return value + strspn(value, " \t");
}

static void read_head(answer *a) {
  int minor = 0;
  bool chunked = false;
  if (sscanf(a->head, "HTTP/1.%d %d", &minor, &a->status) != 2) fail("not an answer of HTTP/1: %.60s", a->head);
  a->closes = minor == 0;
  char *rest = NULL;
  for (char *line = strtok_r(a->head, "\r\n", &rest); line != NULL; line = strtok_r(NULL, "\r\n", &rest)) {
    if (is_field(line, "content-length:")) a->length = strtoll(value_of(line), NULL, 10);
    if (is_field(line, "transfer-encoding:")) chunked = strcasestr(value_of(line), "chunked") != NULL;
    if (is_field(line, "connection:")) a->closes = strcasestr(value_of(line), "close") != NULL;
    if (is_field(line, "location:")) snprintf(a->location, sizeof a->location, "%s", value_of(line));
  }
  if (a->status < 200) { /* 100 Continue: the answer proper follows */
    answer_begin(a, a->is_head);
    return;
  }
  a->left = a->length > 0 ? (uint64_t)a->length : 0;
  if (a->is_head || a->status == 204 || a->status == 304) a->state = COMPLETE;
  else if (chunked) a->state = IN_CHUNK_SIZE;
  else if (a->length >= 0) a->state = a->length == 0 ? COMPLETE : IN_LENGTH;
  else a->state = UNTIL_CLOSE;
  a->head_size = 0;
}

/* Collects a line (or the head, up to its empty line) in a->head; true once it is complete. */
static bool collect(answer *a, const char *end, const char **at, const char *limit) {
  size_t size = strlen(end);
  while (*at < limit) {
    if (a->head_size + 1 >= sizeof a->head) fail("the answer's head is larger than %zu bytes", sizeof a->head);
    a->head[a->head_size++] = *(*at)++;
    if (a->head_size >= size && memcmp(a->head + a->head_size - size, end, size) == 0) {
      a->head[a->head_size] = 0;
      return true;
    }
  }
  return false;
}

static void take_body(answer *a, const char **at, const char *limit) {
  uint64_t have = (uint64_t)(limit - *at);
  uint64_t take = a->state == UNTIL_CLOSE || have < a->left ? have : a->left;
  *at += take;
  a->body += take;
  if (a->state == UNTIL_CLOSE) return;
  a->left -= take;
  if (a->left == 0) a->state = a->state == IN_CHUNK ? IN_CHUNK_END : COMPLETE;
}

static void take_line(answer *a, const char **at, const char *limit) {
  if (!collect(a, a->state == IN_HEAD ? "\r\n\r\n" : "\r\n", at, limit)) return;
  if (a->state == IN_HEAD) {
    read_head(a);
    return;
  }
  bool is_empty = a->head_size == 2;
  a->head_size = 0;
  if (a->state == IN_CHUNK_SIZE) {
    a->left = strtoull(a->head, NULL, 16);
    a->state = a->left == 0 ? IN_TRAILER : IN_CHUNK;
  } else if (a->state == IN_CHUNK_END) {
    a->state = IN_CHUNK_SIZE;
  } else if (is_empty) {
    a->state = COMPLETE;
  }
}

size_t answer_take(answer *a, const char *bytes, size_t size) {
  const char *at = bytes, *limit = bytes + size;
  while (at < limit && a->state != COMPLETE) {
    bool is_body = a->state == IN_LENGTH || a->state == IN_CHUNK || a->state == UNTIL_CLOSE;
    if (is_body) take_body(a, &at, limit);
    else take_line(a, &at, limit);
  }
  return (size_t)(at - bytes);
}

bool answer_ended(answer *a) {
  if (a->state == UNTIL_CLOSE) a->state = COMPLETE;
  return a->state == COMPLETE;
}
