/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One virtual machine: what it is made of and its life.
 *
 *            vm_create          vm_run                 a request
 *   (none) ------------> BUILT ---------> RUNNING ------------------> ENDED
 *                                         |     ^
 *                          vm_pause,      v     |  vm_resume
 *                          a crash        PAUSED
 *
 * Reset, from RUNNING and from PAUSED: all vCPUs parked, devices stopped,
 * everything to power-on state, boot again, and on as before.
 *
 * The main thread runs vm->loop; each vCPU has a thread.  Requests come from
 * any thread and are carried out by the main thread.
 *
 * Locks:
 *   vm.lock   mutex   request, crash, what vCPUs are to do (with vm.cond);
 *                     taken inside device locks, takes none itself
 * The other fields of the VM's life are the main thread's alone.
 */
#ifndef VIREO_VM_H
#define VIREO_VM_H

#include <pthread.h>
#include <stdbool.h>

#include "accel.h"
#include "bus.h"
#include "error.h"
#include "fastpath.h"
#include "irq.h"
#include "loop.h"
#include "memory.h"

struct config;
struct device;
struct pci_host;
struct vcpu;
struct boot;
struct ich9;

#define VM_MAX_VCPUS 64

/* In rising order of urgency: a stronger request replaces a weaker one. */
enum vm_request {
	VM_REQ_NONE,
	VM_REQ_RESET,	 /* the guest, or a person, asked for a reset */
	VM_REQ_SHUTDOWN, /* the guest powered off */
	VM_REQ_STOP,	 /* a person or a signal stops the VM */
	VM_REQ_CRASH,	 /* triple fault with no way on, or KVM failed */
};

/* What listeners are told; vCPUs are parked unless it says RUNNING. */
enum vm_event {
	VM_EVENT_PAUSED,
	VM_EVENT_RUNNING,
	VM_EVENT_RESET,	   /* all is about to go back to power-on state */
	VM_EVENT_CRASHED,  /* vm.crash says why; what --on-crash asks follows */
	VM_EVENT_SHUTDOWN, /* vm.ended says which */
};

/* Called in the main thread; may not change the VM's state. */
struct vm_listener {
	void (*fn)(void *opaque, enum vm_event event);
	void *opaque;
	struct vm_listener *next;
};

/* What vCPU threads are to do. */
enum vcpu_want { VCPU_PARK, VCPU_RUN, VCPU_QUIT };

struct vm {
	const struct config *cfg;
	struct accel *accel;
	struct mem mem;
	struct bus pio;
	struct bus mmio;
	struct irqs irqs;
	struct loop *loop;
	struct fastpath fast;
	struct device *devices;
	struct pci_host *pci; /* set by the host bridge's realize */
	struct ich9 *ich9;    /* set by the LPC bridge's realize */
	struct boot *boot;

	unsigned int nr_vcpus;
	struct vcpu *vcpus;

	pthread_mutex_t lock;
	pthread_cond_t cond; /* want or a vcpu.parked has changed */
	enum vcpu_want want;
	enum vm_request request;
	struct error crash;	 /* why VM_REQ_CRASH */
	unsigned int crash_vcpu; /* and whose */

	struct loop_call on_request;
	struct loop_call on_hit;
	struct vm_listener *listeners;
	bool paused;  /* set before vm_run: starts paused */
	bool crashed; /* until a reset; only with paused */
	enum vm_request ended;
};

/* All or nothing; @vm is all zeros, @cfg must outlive it. */
int vm_create(struct vm *vm, const struct config *cfg, struct error *err);
/* Runs until the VM ends; returns the request that ended it, or -errno. */
int vm_run(struct vm *vm, struct error *err);
void vm_destroy(struct vm *vm);

/*
 * From the main thread.  Both do nothing in the state that they lead to; no
 * VM that has crashed goes on before a reset.
 */
void vm_pause(struct vm *vm);
int vm_resume(struct vm *vm, struct error *err);

void vm_listen(struct vm *vm, struct vm_listener *l);
void vm_unlisten(struct vm *vm, struct vm_listener *l);

/*
 * From any thread.  Asked by a vCPU thread, its guest executes nothing more
 * after the access that it is in.
 */
void vm_request(struct vm *vm, enum vm_request req);
/* From the thread of the vCPU that cannot go on. */
void vm_crash(struct vm *vm, unsigned int vcpu, const struct error *why);
/* From the thread of a vCPU that met the debugger: pauses the VM. */
void vm_hit(struct vm *vm, struct vcpu *vcpu);
/* ACPI power button (the main thread's loop). */
void vm_power_button(struct vm *vm);

#endif
