/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A thread that runs a loop of its own, for devices whose I/O is to wait for
 * nothing that the main thread does.
 *
 * Locks: none.  The list in struct vm is the main thread's.
 */
#ifndef VIREO_IOTHREAD_H
#define VIREO_IOTHREAD_H

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "sandbox.h"

struct error;
struct loop;
struct vm;

#define IOTHREAD_NAME 16

struct iothread_options {
	const char *cpus;     /* a list; NULL: wherever the process may run */
	uint64_t poll_max_ns; /* as loop_poll_max */
	enum sandbox_thread kind;
};

struct iothread {
	char name[IOTHREAD_NAME];
	struct vm *vm;
	struct loop *loop;
	enum sandbox_thread kind;
	bool bound; /* to cpus */
	cpu_set_t cpus;
	bool started;
	pthread_t thread;
	pid_t tid; /* 0 until it was started */
	uint64_t poll_max_ns;
	struct iothread *next; /* of vm->iothreads, in the order of creation */
};

/* What the thread does first; an error is iothread_start's. */
typedef int (*iothread_fn)(void *opaque, struct error *err);

/* Only the loop, which is the caller's thread's until iothread_start. */
int iothread_new(struct iothread **iothread, struct vm *vm, const char *name,
		 const struct iothread_options *opt, struct error *err);
/* When it returns 0, @prepare has been done and the loop runs, locked in. */
int iothread_start(struct iothread *iothread, iothread_fn prepare, void *opaque,
		   struct error *err);
/*
 * Ends the thread, if it was started; the loop stays, and is the caller's
 * thread's then.
 */
void iothread_end(struct iothread *iothread);
/* Who has ended. */
void iothread_free(struct iothread *iothread);

/* "0-3:8", and commas do as well; -EINVAL if it is none. */
int cpu_list_parse(const char *text, cpu_set_t *cpus, struct error *err);

#endif
