/* A connection to the server under test, plain or TLS, and answers read from it piece by piece. */
#ifndef CONNECTION_H
#define CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct {
  const char *host; /* an IPv4 address */
  int port;
  bool tls;
  const char *headers; /* lines that all requests send, each with its end; or "" */
} target;

typedef struct {
  int fd;
  void *tls;
} connection;

/* Ends the program with a message: a benchmark that failed has no figures. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

double now_seconds(void);

/* Connected, handshake done, blocking, with 60 s for each read and write. receive_buffer 0: the kernel's own. */
connection connection_open(const target *to, int receive_buffer);
void connection_close(connection *c);
void connection_nonblocking(connection *c);

enum { READ_AGAIN = -2, READ_LOST = -1, READ_END = 0 };
/* Bytes read, or one of the above. */
ssize_t connection_read(connection *c, void *into, size_t size);
/* All of it, waiting where it must. False: the connection is lost. */
bool connection_write(connection *c, const void *bytes, size_t size);

typedef struct {
  enum { IN_HEAD, IN_LENGTH, IN_CHUNK_SIZE, IN_CHUNK, IN_CHUNK_END, IN_TRAILER, UNTIL_CLOSE, COMPLETE } state;
  bool is_head;  /* the answer to a HEAD has no body */
  bool closes;   /* the server closes the connection after it */
  int status;
  int64_t length; /* Content-Length, -1 where there is none */
  uint64_t body;  /* bytes of body so far, framing not counted */
  uint64_t left;
  size_t head_size;
  char location[4096];
  char head[16384];
} answer;

void answer_begin(answer *a, bool is_head);
/* Takes what was received; what is left over stays unread (returned: bytes taken). Fails on what is not HTTP. */
size_t answer_take(answer *a, const char *bytes, size_t size);
/* The connection ended. True where that completes the answer. */
bool answer_ended(answer *a);

#endif
