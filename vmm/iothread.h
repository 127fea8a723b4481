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
#include <stdint.h>
#include <sys/types.h>

struct error;
struct loop;
struct vm;

#define IOTHREAD_NAME 16

struct iothread_options {
	const cpu_set_t *cpus; /* NULL: wherever the process may run */
	uint64_t poll_max_ns;  /* as loop_poll_max */
};

struct iothread {
	char name[IOTHREAD_NAME];
	struct vm *vm;
	struct loop *loop;
	pthread_t thread;
	pid_t tid;
	uint64_t poll_max_ns;
	struct iothread *next; /* of vm->iothreads, in the order of creation */
};

/* When it returns, the loop runs. */
int iothread_new(struct iothread **iothread, struct vm *vm, const char *name,
		 const struct iothread_options *opt, struct error *err);
/* Ends the thread; the loop stays, and is the caller's thread's then. */
void iothread_end(struct iothread *iothread);
/* Who has ended. */
void iothread_free(struct iothread *iothread);

/* "0-3:8", and commas do as well; -EINVAL if it is none. */
int cpu_list_parse(const char *text, cpu_set_t *cpus, struct error *err);

#endif
