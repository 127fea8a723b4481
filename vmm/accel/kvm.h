/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The KVM backend's own header: kvm.c is the VM, kvm_vcpu.c the vCPUs,
 * kvm_cpuid.c what they say of themselves, kvm_state.c power-on state,
 * kvm_save.c the state that goes elsewhere,
 * kvm_regs.c registers, kvm_debug.c what a debugger wants, kvm_probe.c what of
 * that it can have, kvm_irq.c interrupts.
 *
 * Locks:
 *   kvm.ring_lock   mutex   the reader's end of KVM's coalesced ring; held
 *                           while its writes are delivered, so it comes
 *                           before every device lock
 *   kvm.route_lock  mutex   the table of GSIs; inside device locks, takes none
 */
#ifndef VIREO_ACCEL_KVM_H
#define VIREO_ACCEL_KVM_H

#include <linux/kvm.h>
#include <pthread.h>

#include "../accel.h"
#include "../cpu.h"
#include "../fastpath.h"

struct kvm_irq_routing;
struct kvm_saved;
struct kvm_vm_saved;
struct kvm_vm_state;
struct kvm_vcpu_state;

struct kvm {
	struct accel accel;
	int dev_fd;
	int vm_fd;
	size_t run_size; /* of a vCPU's shared area */
	struct bus *pio;
	struct bus *mmio;
	pthread_mutex_t ring_lock;
	/* Shared by all vCPUs of the VM; NULL until the first one is there. */
	struct kvm_coalesced_mmio_ring *ring;
	struct bus_hint ring_hint[2];
	unsigned int ring_page; /* KVM_CAP_COALESCED_MMIO; 0: none */
	bool coalesced_pio;	/* KVM_CAP_COALESCED_PIO */
	pthread_mutex_t route_lock;
	struct kvm_irq_routing *routes; /* empty: as KVM has made them */
	bool log_asked;	 /* by the first log: log_clears is known */
	bool log_clears; /* KVM clears its log by range, not when read */
	struct kvm_vm_state *power_on;
	struct kvm_cpuid2 *cpuid; /* of the host; NULL until needed */
	struct kvm_msr_list *msrs;
	struct kvm_clock_data clock; /* as it stood when it was stopped */
	struct kvm_vm_saved *saved;  /* while it is saved or loaded */
};

struct accel_vcpu {
	struct kvm *kvm;
	int fd;
	unsigned int id;
	struct kvm_run *run;
	struct kvm_vcpu_state *power_on;
	struct kvm_saved *saved; /* while it is saved or loaded */
	pthread_t thread;
	bool attached;
	/* What runs it: KVM_RUN on fd, or VIREO_VCPU_RUN on the module's. */
	int run_fd;
	unsigned long run_cmd;
	struct fast_vcpu fast;
	struct bus_hint pio_hint;
	struct bus_hint mmio_hint;
	const struct cpu_debug *debug; /* borrowed; NULL: no debugger */
	bool step;
	struct cpu_hit hit;
};

static inline struct kvm *to_kvm(struct accel *accel)
{
	return (struct kvm *)accel;
}

/* Whether the coalesced ring has something.  Every exit asks: no lock. */
static inline bool kvm_coalesced(const struct kvm *kvm)
{
	const struct kvm_coalesced_mmio_ring *ring = kvm->ring;

	return ring && __atomic_load_n(&ring->last, __ATOMIC_ACQUIRE) !=
			       __atomic_load_n(&ring->first, __ATOMIC_RELAXED);
}

/* Delivers what is in it.  True if there was something. */
bool kvm_flush_coalesced(struct accel *accel);

int kvm_vcpu_create(struct accel *accel, unsigned int id, unsigned int nr_vcpus,
		    const struct fastpath *fast, struct accel_vcpu **vcpu,
		    struct error *err);
void kvm_vcpu_destroy(struct accel_vcpu *vcpu);
enum accel_exit kvm_vcpu_run(struct accel_vcpu *vcpu, struct error *err);
void kvm_vcpu_kick(struct accel_vcpu *vcpu);
void kvm_vcpu_unkick(struct accel_vcpu *vcpu);
void kvm_vcpu_attach(struct accel_vcpu *vcpu);

/* CPUID of vCPU @id of @nr, all in one package. */
int kvm_set_cpuid(struct accel_vcpu *vcpu, unsigned int nr, struct error *err);

/*
 * KVM has no reset of a vCPU or of its interrupt controllers: their state when
 * new is kept and put back.
 */
int kvm_vcpu_reset(struct accel_vcpu *vcpu, const struct cpu_entry *entry,
		   struct error *err);
int kvm_vm_reset(struct accel *accel);
void kvm_vm_clock(struct accel *accel, bool on);
void kvm_state_free(struct kvm *kvm);
/*
 * KVM_GET_MSRS or KVM_SET_MSRS of @nr registers; those that KVM refuses drop
 * out of the list.  How many are left.
 */
uint32_t kvm_each_msr(int fd, unsigned long request, struct kvm_msr_entry *msrs,
		      uint32_t nr);

extern const struct state_table kvm_vcpu_table; /* of struct accel_vcpu */
extern const struct state_table kvm_vm_table;	/* of struct kvm */
void kvm_saved_free(struct kvm_saved *saved);

int kvm_irq_line(struct accel *accel, unsigned int gsi, bool level);
int kvm_msi(struct accel *accel, uint64_t addr, uint32_t data);
/* With room for all: a vCPU's thread that changes it has no memory to ask for. */
int kvm_routes_alloc(struct kvm *kvm);
int kvm_msi_route(struct accel *accel, int *gsi, uint64_t addr, uint32_t data);
void kvm_msi_unroute(struct accel *accel, int gsi);
int kvm_irqfd(struct accel *accel, unsigned int gsi, int eventfd,
	      int resamplefd, bool remove);

int kvm_get_regs(struct accel_vcpu *vcpu, struct cpu_regs *regs);
int kvm_set_regs(struct accel_vcpu *vcpu, const struct cpu_regs *regs);
unsigned int kvm_can_debug(struct accel *accel);
int kvm_set_debug(struct accel_vcpu *vcpu, const struct cpu_debug *debug,
		  bool step);
/* KVM_EXIT_DEBUG: false if that was the guest's own, which it then gets. */
bool kvm_debug_exit(struct accel_vcpu *vcpu);
struct cpu_hit kvm_hit(struct accel_vcpu *vcpu);
void kvm_was_paused(struct accel_vcpu *vcpu);
void kvm_describe_exit(struct accel_vcpu *vcpu, char *buf, size_t size);

#endif
