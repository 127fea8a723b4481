/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An accelerator runs vCPUs: an ops table, one per backend in accel/.
 * The core emulates what an accelerator leaves NULL.
 *
 * A struct accel is used by all threads; its calls are thread-safe unless
 * they take a struct accel_vcpu, which belongs to its vCPU's thread (kick
 * excepted).
 */
#ifndef VIREO_ACCEL_H
#define VIREO_ACCEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus.h"

struct accel;
struct accel_vcpu;
struct cpu_debug;
struct cpu_hit;
struct cpu_regs;
struct error;
struct fastpath;
struct state_table;
struct vireo_vcpu_page;

enum accel_exit {
	ACCEL_EXIT_KICKED,   /* a kick or a signal: look at what is asked */
	ACCEL_EXIT_HALTED,   /* HLT with nothing left to wake it */
	ACCEL_EXIT_SHUTDOWN, /* triple fault */
	ACCEL_EXIT_DEBUG,    /* what set_debug asked for: see hit */
	ACCEL_EXIT_FAILED,   /* the reason is in the struct error */
};

/* Of set_memory. */
#define ACCEL_MEM_READONLY 1U
#define ACCEL_MEM_LOG 2U

/* Flat 32-bit or 64-bit state in which a boot protocol enters the guest. */
struct cpu_entry {
	bool long_mode; /* else 32-bit protected mode, no paging */
	uint64_t rip;
	uint64_t rsp;
	uint64_t rbx;
	uint64_t rsi;
	uint64_t cr3; /* long mode only */
	uint64_t gdt_base;
	uint16_t gdt_limit;
	uint16_t code_sel;
	uint16_t data_sel;
};

struct accel_ops {
	const char *name;

	/*
	 * A VM with in-kernel interrupt controllers, whose guest's accesses
	 * go to the two buses.
	 */
	int (*create)(struct accel **accel, struct bus *pio, struct bus *mmio,
		      struct error *err);
	void (*destroy)(struct accel *accel);
	int (*vm_fd)(struct accel *accel);
	unsigned int (*max_vcpus)(struct accel *accel);

	/*
	 * len 0 removes the slot; @flags are ACCEL_MEM_*, of which LOG can be
	 * changed by calling it again with the rest as it was.
	 */
	int (*set_memory)(struct accel *accel, unsigned int slot, uint64_t gpa,
			  uint64_t len, void *hva, unsigned int flags);

	/*
	 * Takes what vCPUs have written in a slot with ACCEL_MEM_LOG, of
	 * @count pages of 4 KiB from @first on, multiples of 64 or up to the
	 * slot's end.  @bitmap is for the whole slot; what it says of
	 * other pages may be taken as well, or come again.
	 */
	int (*fetch_log)(struct accel *accel, unsigned int slot, uint64_t first,
			 uint64_t count, uint64_t *bitmap);

	/* @fast says whether the module is to run it. */
	int (*vcpu_create)(struct accel *accel, unsigned int id,
			   unsigned int nr_vcpus, const struct fastpath *fast,
			   struct accel_vcpu **vcpu, struct error *err);
	void (*vcpu_destroy)(struct accel_vcpu *vcpu);

	/*
	 * Power-on state; the boot processor then starts at @entry, or at the
	 * reset vector if NULL; other processors wait for INIT/SIPI.
	 */
	int (*vcpu_reset)(struct accel_vcpu *vcpu,
			  const struct cpu_entry *entry, struct error *err);

	/*
	 * Runs the guest and serves its accesses, until something else
	 * happens.  Finishes an access before it returns, so
	 * that the registers are whole.
	 */
	enum accel_exit (*run)(struct accel_vcpu *vcpu, struct error *err);

	/*
	 * From any thread: run, if it is running or about to, returns
	 * ACCEL_EXIT_KICKED soon.  The owner calls unkick before it looks at
	 * what the kick was for.
	 */
	void (*kick)(struct accel_vcpu *vcpu);
	void (*unkick)(struct accel_vcpu *vcpu);
	/*
	 * Optional: a descriptor of the accelerator's own statistics (as
	 * KVM_GET_STATS_FD), of the VM if @vcpu is NULL; the caller closes it.
	 * @vcpu does not run, or the call waits until it no longer does; the
	 * descriptor can be read at any time.
	 */
	int (*stats_fd)(struct accel *accel, struct accel_vcpu *vcpu);
	/* Optional: what the vCPU's thread counts, to be read at any time. */
	const struct vireo_vcpu_page *(*vcpu_counts)(struct accel_vcpu *vcpu);
	/* Called once by the thread that will call run. */
	void (*vcpu_attach)(struct accel_vcpu *vcpu);

	/*
	 * While it does not run, from any thread.  set_regs changes what
	 * differs from what is there; -errno if the processor has no such
	 * state.
	 */
	int (*get_regs)(struct accel_vcpu *vcpu, struct cpu_regs *regs);
	int (*set_regs)(struct accel_vcpu *vcpu, const struct cpu_regs *regs);

	/* What set_debug is good for: enum cpu_can.  Before the guest runs. */
	unsigned int (*can_debug)(struct accel *accel);
	/*
	 * While it does not run: makes run stop at what @debug, borrowed until
	 * the next call, holds; NULL: nothing.  @step: and after one
	 * instruction.
	 */
	int (*set_debug)(struct accel_vcpu *vcpu, const struct cpu_debug *debug,
			 bool step);
	/* What the last ACCEL_EXIT_DEBUG was for. */
	struct cpu_hit (*hit)(struct accel_vcpu *vcpu);

	/*
	 * All that is known of the exit that made run fail, as lines of text;
	 * "" if that is nothing.
	 */
	void (*describe_exit)(struct accel_vcpu *vcpu, char *buf, size_t size);

	/* Before it runs again after a pause: its guest may want to know. */
	void (*was_paused)(struct accel_vcpu *vcpu);

	/* Puts irqchips and timers back to power-on state; vCPUs are stopped. */
	int (*reset)(struct accel *accel);

	/*
	 * Optional: what is saved and loaded of a struct accel_vcpu, and of the
	 * struct accel, of which the clock stands still; nothing runs.
	 */
	const struct state_table *vcpu_table;
	const struct state_table *vm_table;

	/*
	 * Optional: the clock that a paravirtual guest reads stands still, and
	 * goes on from there; vCPUs are stopped.
	 */
	void (*clock)(struct accel *accel, bool on);

	int (*irq_line)(struct accel *accel, unsigned int gsi, bool level);
	int (*msi)(struct accel *accel, uint64_t addr, uint32_t data);

	/*
	 * Optional: makes *@gsi, or a new one if it is -1, send a message when
	 * it is raised.  On failure a new one was not made.
	 */
	int (*msi_route)(struct accel *accel, int *gsi, uint64_t addr,
			 uint32_t data);
	void (*msi_unroute)(struct accel *accel, int gsi);
	/*
	 * Optional: signalling @eventfd, from any thread, raises @gsi; also
	 * what it has counted by now.  @resamplefd is -1 if that is an edge; if
	 * not, the line is lowered and it signalled when the guest
	 * acknowledges.  remove takes the same arguments.
	 */
	int (*irqfd)(struct accel *accel, unsigned int gsi, int eventfd,
		     int resamplefd, bool remove);

	/*
	 * Signals @eventfd for writes of @size bytes (0: any) at @addr; with
	 * @match, only of @data.  remove takes the same arguments.
	 */
	int (*ioeventfd)(struct accel *accel, enum bus_kind bus, uint64_t addr,
			 unsigned int size, bool match, uint64_t data,
			 int eventfd, bool remove);

	/*
	 * Optional: queue writes to [addr, addr + len) instead of exiting, and
	 * deliver them in order, through bus_write on the buses that create was
	 * given, before the next exit of any vCPU is handled or when
	 * coalesce_flush is called, which tells whether there were any.
	 */
	int (*coalesce)(struct accel *accel, enum bus_kind bus, uint64_t addr,
			uint32_t len, bool remove);
	bool (*coalesce_flush)(struct accel *accel);
};

/* Each backend's struct begins with this. */
struct accel {
	const struct accel_ops *ops;
};

extern const struct accel_ops accel_kvm;

#endif
