/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Locks the machine in, between its making and the first instruction of its
 * guest.  What it needs is open by then; what comes later comes as a
 * descriptor.
 *
 *   keeper_fork     strict: the process of its own; everything is opened in it
 *   ...             the machine is made
 *   sandbox_enter   the process, which has one thread: limits, namespaces,
 *                   capabilities, no new privileges
 *   sandbox_thread  each thread of a disk's and each vCPU's, then the main
 *                   thread: the filter of system calls of its kind
 *
 * Threads that prefault memory have ended by then, and no list has the call that
 * would make another.
 *
 * Who makes a system call that is not on its list ends the process, which says
 * on standard error what it was, and exits with 128 + SIGSYS.
 */
#ifndef VIREO_SANDBOX_H
#define VIREO_SANDBOX_H

#include <sys/types.h>

struct error;

/* The order of the words in options_table.c */
enum sandbox { SANDBOX_ON, SANDBOX_STRICT, SANDBOX_OFF };

enum sandbox_thread {
	SANDBOX_MAIN,
	SANDBOX_VCPU,
	SANDBOX_IO,  /* serves disks, or waits for the host for them */
	SANDBOX_NET, /* serves a network card */
	SANDBOX_NR_THREADS
};

int sandbox_enter(enum sandbox sandbox, struct error *err);
/* The calling thread; -errno. */
int sandbox_thread(enum sandbox sandbox, enum sandbox_thread kind);

/*
 * What the world calls a thread, who sees more processes than a strict machine:
 * a descriptor made before it is locked in, or -1 if there is no difference;
 * and what it tells the calling thread, before that has its filter.
 */
int sandbox_open_ids(enum sandbox sandbox);
pid_t sandbox_id(int ids);

#endif
