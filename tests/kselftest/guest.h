/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A tiny guest under KVM: each vCPU runs, in long mode, a script of port and
 * memory accesses that the test writes into guest memory, then halts.  What
 * reaches user space is logged.
 */
#ifndef VIREO_KSELFTEST_GUEST_H
#define VIREO_KSELFTEST_GUEST_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/kvm.h>

#define GUEST_MAX_VCPUS 4
#define GUEST_MAX_OPS 512
#define GUEST_MAX_LOG 4096

/* Guest-physical memory is [0, GUEST_MEM); accesses reach up to 1 GiB. */
#define GUEST_MEM (2U << 20)
/* Free for a test's own use, as of string operations. */
#define GUEST_BUFFER 0x100000U

/* An access that user space served reads as bytes of this. */
#define GUEST_USER_BYTE 0xee

enum guest_kind {
	GUEST_END,	/* halt */
	GUEST_IN,
	GUEST_OUT,
	GUEST_READ,	/* memory */
	GUEST_WRITE,
	GUEST_OUTS,	/* rep outs, repeat items from guest address data */
	GUEST_INS,	/* rep ins, repeat items to guest address data */
	GUEST_AGAIN,	/* start over */
	GUEST_STORE,	/* memory: rep movs from guest address data */
	GUEST_LOAD,	/* memory: rep movs to guest address data */
	GUEST_ADD,	/* memory: reads, adds data, writes */
};

/* One step; data is what to write, or what was read. */
struct guest_op {
	uint32_t code;		/* kind * 4 + log2(width) */
	uint32_t repeat;	/* at least 1 */
	uint64_t addr;
	uint64_t data;
};

/* An access that reached user space. */
struct guest_exit {
	uint64_t addr;
	uint64_t data;		/* of a write */
	uint8_t vcpu;
	bool mmio;
	bool write;
	uint8_t width;
	uint32_t count;
};

struct guest {
	int vm;
	int nr_vcpus;
	int vcpu[GUEST_MAX_VCPUS];
	/* What runs each: KVM's descriptor, or the module's once attached. */
	int runner[GUEST_MAX_VCPUS];
	unsigned long run_cmd;
	struct kvm_run *run[GUEST_MAX_VCPUS];
	int nr_ops[GUEST_MAX_VCPUS];
	uint8_t *mem;
	unsigned int run_size;
	/* Appended to by all vCPUs; the slots are taken atomically. */
	int nr_exits;
	struct guest_exit exits[GUEST_MAX_LOG];
	/* Called on each exit, before it is logged, if not NULL. */
	void (*on_exit)(struct guest *g, const struct guest_exit *e);
	void *on_exit_arg;
};

/* 0 or -errno; -ENOENT or -ENODEV: this host has no KVM. */
int guest_create(struct guest *g, int nr_vcpus);
void guest_destroy(struct guest *g);

/*
 * Runs the vCPUs by VIREO_VCPU_RUN from now on, if exits are served so; @dev is
 * /dev/vireo, @vm its object of this guest.  0 or -errno.
 */
int guest_attach(struct guest *g, int dev, int vm);
/* The module's descriptor of a vCPU, or -errno; the caller closes it. */
int guest_vcpu_create(struct guest *g, int vm, int vcpu);

/* Adds a step to the script of a vCPU; where its result will be. */
struct guest_op *guest_add(struct guest *g, int vcpu, enum guest_kind kind,
			   int width, uint64_t addr, uint64_t data);
/* The script of a vCPU, in guest memory. */
struct guest_op *guest_script(struct guest *g, int vcpu);
/* Puts a vCPU at the start of its script; 0 or -errno. */
int guest_restart(struct guest *g, int vcpu);
/* Runs the script from the start until it halts; 0 or -errno. */
int guest_run(struct guest *g, int vcpu);
/* Logs the access that a vCPU exited with, and serves it; 0 or -EPROTO. */
int guest_serve(struct guest *g, int vcpu);
/* Forgets scripts and exits. */
void guest_reset(struct guest *g);

/* One access by vCPU 0, now: the value read, and whether it left the kernel. */
uint64_t guest_access(struct guest *g, enum guest_kind kind, int width,
		      uint64_t addr, uint64_t data, bool *passed);

#endif
