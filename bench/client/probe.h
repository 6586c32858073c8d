#ifndef PROBE_H
#define PROBE_H

#include "connection.h"
#include "figures.h"

/* Sends GET /v2/ each `every` seconds, one at a time: how long a request has to wait beside others. One that is due
   while the answer before is not there yet is sent after it and timed from when it was due, so that a server that stands
   still for long counts as often as it should. */
void probe(const target *to, double every, double seconds, figures *out);

#endif
