/* What the system itself gives: answers every request with one file, a thread for each connection, and does nothing
   else. Not a registry, not safe against anybody; the limit for whoever is one.

       limit PORT FILE PIECE    bytes that are read and sent at a time; 0: sendfile */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define SENDFILE_PIECE (4 << 20)

static int file;
static off_t size;
static size_t piece;

static int send_all(int connection, const char *bytes, size_t length, int flags) {
  while (length > 0) {
    ssize_t sent = send(connection, bytes, length, flags | MSG_NOSIGNAL);
    if (sent <= 0) return -1;
    bytes += sent;
    length -= sent;
  }
  return 0;
}

static int send_file(int connection, char *buffer) {
  for (off_t at = 0; at < size;) {
    if (piece == 0) {
      if (sendfile(connection, file, &at, SENDFILE_PIECE) <= 0) return -1;
      continue;
    }
    ssize_t got = pread(file, buffer, piece, at);
    if (got <= 0 || send_all(connection, buffer, got, 0) != 0) return -1;
    at += got;
  }
  return 0;
}

static void *serve(void *argument) {
  int connection = (int)(long)argument;
  char *buffer = malloc(piece + 1), request[8192], head[128];
  int length = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %lld\r\n\r\n", (long long)size);
  /* The client sends a request at a time, and each fits into one segment. */
  while (buffer != NULL && recv(connection, request, sizeof request, 0) > 0)
    if (send_all(connection, head, length, MSG_MORE) != 0 || send_file(connection, buffer) != 0) break;
  free(buffer);
  close(connection);
  return NULL;
}

int main(int count, char **arguments) {
  struct stat status;
  if (count != 4 || (file = open(arguments[2], O_RDONLY)) < 0 || fstat(file, &status) != 0) return 2;
  size = status.st_size;
  piece = strtoul(arguments[3], NULL, 10);
  int listener = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(arguments[1]))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 64) != 0) {
    perror("listen");
    return 1;
  }
  for (;;) {
    int connection = accept(listener, NULL, NULL);
    pthread_t thread;
    if (connection < 0) continue;
    if (pthread_create(&thread, NULL, serve, (void *)(long)connection) == 0) pthread_detach(thread);
    else close(connection);
  }
}
