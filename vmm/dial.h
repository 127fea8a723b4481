/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connects to a UNIX socket once more when the machine is locked in, and so can
 * make no socket and see no path: a process from before does, which knows this
 * path alone.  It tries once a second for as long as it was asked and the
 * machine lives.
 *
 * Locks: none.  One loop's.
 */
#ifndef VIREO_DIAL_H
#define VIREO_DIAL_H

#include <stdbool.h>

struct error;

struct dial {
	int fd; /* to be watched for what dial_take takes; -1: none */
	bool asked;
};

/* While the process has one thread. */
int dial_new(struct dial *dial, const char *path, struct error *err);
void dial_close(struct dial *dial);
/* From now on it tries, until it has succeeded. */
void dial_ask(struct dial *dial);
/* The descriptor of a new connection; -EAGAIN: not yet; another: never. */
int dial_take(struct dial *dial);

#endif
