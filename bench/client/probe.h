#ifndef PROBE_H
#define PROBE_H

#include "connection.h"
#include "figures.h"

/* Sends GET /v2/ each `every` seconds, whether those before were answered or not, and times it from when it was due: how
   long a request that comes at any moment has to wait beside others. A server that stands still counts as often as it
   would have been asked. */
void probe(const target *to, double every, double seconds, figures *out);

#endif
