/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vCPU threads.
 *
 *   PARKED <--> RUNNING, then QUIT: what is wanted is vcpus' common state,
 *   under vm.lock; each thread follows it and says so in vcpu.parked.
 */
#ifndef VIREO_VCPU_H
#define VIREO_VCPU_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

struct accel_vcpu;
struct error;
struct vm;

struct vcpu {
	struct vm *vm;
	unsigned int id;
	struct accel_vcpu *accel;
	pthread_t thread;
	bool started;
	/* The main thread's: owns, or -1; 0 if nobody has asked for it yet. */
	int stats_fd;
	/* Under vm.lock: */
	bool parked;
	bool hit;  /* met the debugger; parked until all are let run again */
	bool hold; /* parked while the others run */
	pid_t tid; /* of the thread; 0 until it has begun */
	int sandboxed; /* 0, or -errno: it could not be locked in */
};

int vcpus_create(struct vm *vm, struct error *err);
/* Their threads, all parked and each locked in (sandbox.h). */
int vcpus_start(struct vm *vm, struct error *err);
void vcpus_destroy(struct vm *vm);

/* Lets all run; parks all and returns when none runs.  Main thread only. */
void vcpus_run(struct vm *vm);
void vcpus_park(struct vm *vm);
/*
 * Makes stats_fd of all vCPUs (accel_ops.stats_fd), once; those that run pause
 * for that.  Main thread only.
 */
void vcpus_open_stats(struct vm *vm);
/* Whether any has hit since all were let run. */
bool vcpus_hit(struct vm *vm);
/* All parked: @vcpu stays so when the others are let run, or no longer. */
void vcpu_hold(struct vcpu *vcpu, bool hold);

#endif
