/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vireo run --detach: the machine runs in a process of its own, in a session
 * of its own, and the one that was started returns when it does.
 *
 *   parent   waits                     "ready", or the child's end
 *   child    builds the machine ... the loop runs: tells the parent
 *
 * Up to there the child's standard error is the parent's, so what is wrong is
 * told where the person looks; from there on it is the file NAME.log in the
 * runtime directory, which is open by then.
 */
#ifndef VIREO_DETACH_H
#define VIREO_DETACH_H

#include "control/rundir.h"

struct error;

struct detach {
	int ready_fd;		    /* the child's end of a pipe */
	int log_fd;		    /* the child's: what errors go to later */
	char name[RUNDIR_NAME_MAX]; /* what the parent heard through it */
};

/*
 * 0 in the child, with standard input and output closed to the world.  1 in
 * the parent, when the machine runs or is over: *status is 0, and the machine's
 * name is in @d, or *status is the child's exit status.
 */
int detach_fork(struct detach *d, int *status, struct error *err);

/* The child: opens the log of the machine @name. */
int detach_open_log(struct detach *d, const char *name, struct error *err);

/*
 * The child: the machine @name runs.  -EPIPE: the parent was killed meanwhile,
 * and nobody knows of the machine.
 */
int detach_ready(struct detach *d, const char *name, struct error *err);

#endif
