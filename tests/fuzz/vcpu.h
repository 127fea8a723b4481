/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Guests that hammer on the regions of tables.h: random scripts, and threads
 * that run the vCPUs and serve their exits with noise.
 */
#ifndef VIREO_FUZZ_VCPU_H
#define VIREO_FUZZ_VCPU_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "../kselftest/guest.h"
#include "fuzz.h"

/* A thread that runs a vCPU. */
struct runner {
	struct guest *g;
	int vcpu;
	/* A vCPU fd of vireo's; -1: the vCPU is run by KVM_RUN. */
	atomic_int vireo;
	/* Interrupts it so often; 0: not. */
	unsigned int kick_usec;
	/* How much it gives way to other threads: see setpriority(2). */
	int nice;
	/* Where it counts what user space sees. */
	struct fuzz_board *board;
	struct rng rng;
	atomic_bool stop;
	pthread_t thread;
};

/* Fills a vCPU's script with random accesses, for ever. */
void script_make(struct guest *g, int vcpu, struct rng *r);
/* Changes a step, under the guest's feet. */
void script_spoil(struct guest *g, int vcpu, struct rng *r);

/* Scribbles over a vCPU's kvm_run. */
void run_spoil(struct guest *g, int vcpu, struct rng *r);

int runner_start(struct runner *run);
void runner_stop(struct runner *run);

#endif
