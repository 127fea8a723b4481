// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../kselftest/common.h"
#include "tables.h"
#include "vcpu.h"

#define SCRIPT_STEPS 60
/* Where KVM puts the data of port accesses, whatever kvm_run says. */
#define IO_DATA 4096

/* ---- scripts ------------------------------------------------------------- */

struct access {
	enum guest_kind kind;
	bool memory;
	bool string;
};

static const struct access accesses[] = {
	{ GUEST_IN, false, false },  { GUEST_OUT, false, false },
	{ GUEST_READ, true, false }, { GUEST_WRITE, true, false },
	{ GUEST_ADD, true, false },  { GUEST_OUTS, false, true },
	{ GUEST_INS, false, true },  { GUEST_STORE, true, true },
	{ GUEST_LOAD, true, true },
};

/* A little more than there may be regions at, on either side. */
static uint64_t somewhere(bool memory, struct rng *r)
{
	uint64_t at;

	if (!memory)
		return TABLE_PIO - 4 + rng_below(r, TABLE_PIO_LEN + 4);
	switch (rng_below(r, 8)) {
	case 0:
		/* Across pages. */
		at = 4096 * (1 + rng_below(r, 2)) - 8 + rng_below(r, 16);
		break;
	case 1:
		at = rng_below(r, TABLE_MMIO_LEN + 8);
		break;
	default:
		at = rng_below(r, TABLE_MMIO_DENSE);
	}
	return TABLE_MMIO - 4 + at;
}

void script_make(struct guest *g, int vcpu, struct rng *r)
{
	const struct access *a;
	struct guest_op *op;
	int i;

	for (i = 0; i < SCRIPT_STEPS; i++) {
		/* Strings are rare: one makes many accesses. */
		a = &accesses[rng_below(r, rng_one_in(r, 4) ?
						   ARRAY_LEN(accesses) :
						   5)];
		op = guest_add(g, vcpu, a->kind,
			       1 << rng_below(r, a->memory ? 4 : 3),
			       somewhere(a->memory, r), rng_edge(r));
		op->repeat = 1 + rng_below(r, rng_one_in(r, 4) ? 40 : 3);
		if (a->string)
			op->data = GUEST_BUFFER + rng_below(r, 4096);
	}
	guest_add(g, vcpu, GUEST_AGAIN, 1, 0, 0);
}

void script_spoil(struct guest *g, int vcpu, struct rng *r)
{
	struct guest_op *op =
		guest_script(g, vcpu) + rng_below(r, SCRIPT_STEPS);
	unsigned int i;

	for (i = 0; i < ARRAY_LEN(accesses); i++)
		if (accesses[i].kind == op->code / 4)
			__atomic_store_n(&op->addr,
					 somewhere(accesses[i].memory, r),
					 __ATOMIC_RELAXED);
	__atomic_store_n(&op->repeat, 1 + rng_below(r, 40), __ATOMIC_RELAXED);
}

/* ---- running ------------------------------------------------------------- */

static uint64_t noise(struct runner *run)
{
	return rng_next(&run->rng);
}

/*
 * Serves an exit.  Others may scribble over kvm_run meanwhile, so nothing in
 * it is believed.
 */
static void serve(struct runner *run)
{
	struct kvm_run *kr = run->g->run[run->vcpu];
	uint64_t v = noise(run);

	switch (kr->exit_reason) {
	case KVM_EXIT_IO:
		memcpy((uint8_t *)kr + IO_DATA, &v, sizeof(v));
		break;
	case KVM_EXIT_MMIO:
		memcpy(kr->mmio.data, &v, sizeof(v));
		break;
	default:
		/* It halted, or went astray in what others did to it. */
		guest_restart(run->g, run->vcpu);
		return;
	}
	__atomic_add_fetch(&run->board->accesses, 1, __ATOMIC_RELAXED);
}

static void *run_vcpu(void *arg)
{
	struct runner *run = arg;
	struct kvm_run *kr = run->g->run[run->vcpu];
	int fd, ret;

	setpriority(PRIO_PROCESS, syscall(SYS_gettid), run->nice);
	if (run->kick_usec)
		fuzz_kick_me(run->kick_usec);
	guest_restart(run->g, run->vcpu);
	while (!run->stop) {
		fd = run->vireo;
		ret = fd >= 0 ? ioctl(fd, VIREO_VCPU_RUN, 0) :
				ioctl(run->g->vcpu[run->vcpu], KVM_RUN, 0);
		if (!ret) {
			serve(run);
			continue;
		}
		kr->immediate_exit = 0;
		/* It was closed, or is no vCPU's any more. */
		if (errno == EBADF || errno == ENOTTY)
			atomic_compare_exchange_strong(&run->vireo, &fd, -1);
		if (errno != EINTR && errno != EAGAIN)
			guest_restart(run->g, run->vcpu);
	}
	return NULL;
}

int runner_start(struct runner *run)
{
	run->stop = false;
	return -pthread_create(&run->thread, NULL, run_vcpu, run);
}

void runner_stop(struct runner *run)
{
	run->stop = true;
	/* It may be in a guest that never exits, but for signals. */
	while (pthread_tryjoin_np(run->thread, NULL)) {
		pthread_kill(run->thread, SIGUSR1);
		run->g->run[run->vcpu]->immediate_exit = 1;
		usleep(1000);
	}
	run->g->run[run->vcpu]->immediate_exit = 0;
}

/* Not what says which registers to load: that only KVM reads. */
void run_spoil(struct guest *g, int vcpu, struct rng *r)
{
	uint32_t *word = (uint32_t *)g->run[vcpu];
	struct kvm_run *kr = g->run[vcpu];

	switch (rng_below(r, 8)) {
	case 0:
		kr->immediate_exit = 1;
		break;
	case 1:
		kr->exit_reason = rng_one_in(r, 2) ? KVM_EXIT_IO :
						     KVM_EXIT_MMIO;
		break;
	case 2:
		kr->io.size = rng_edge(r);
		break;
	case 3:
		kr->io.count = rng_edge(r);
		break;
	case 4:
		kr->io.data_offset = rng_edge(r);
		break;
	case 5:
		kr->mmio.len = rng_edge(r);
		break;
	case 6:
		kr->io.port = TABLE_PIO + rng_below(r, TABLE_PIO_LEN);
		break;
	default:
		word[rng_below(r, offsetof(struct kvm_run, kvm_valid_regs) / 4)] =
			rng_edge(r);
	}
}
