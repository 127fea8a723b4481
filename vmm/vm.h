/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One virtual machine: what it is made of and its life.
 *
 *            vm_create          vm_run                 a request
 *   (none) ------------> BUILT ---------> RUNNING ------------------> ENDED
 *                          |  vm_resume   |  ^  |                       ^
 *                vm_run,   |        .-----|--'  | vm_pause              |
 *                paused    v        |     v     v                       |
 *                      PRELAUNCH ---'   reset  PAUSED ------------------'
 *
 * Paused, all vCPUs are parked and all devices stopped.  A reset brings
 * everything to power-on state and boots again; what was paused then is
 * PRELAUNCH.  A crash ends it, or pauses or resets it: see --on-crash.
 *
 * The main thread runs vm->loop; each vCPU has a thread.  Requests come from
 * any thread and are carried out by the main thread.
 *
 * Locks:
 *   vm.lock   mutex   request, crash, what vCPUs are to do (with vm.cond);
 *                     taken inside device locks, takes none itself
 */
#ifndef VIREO_VM_H
#define VIREO_VM_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

#include "accel.h"
#include "bus.h"
#include "error.h"
#include "fastpath.h"
#include "irq.h"
#include "loop.h"
#include "memory.h"

struct config;
struct device;
struct hotplug;
struct iothread;
struct pci_host;
struct vcpu;
struct boot;
struct snapshot;
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

/* Whose request it was. */
enum vm_cause { VM_BY_GUEST, VM_BY_QMP, VM_BY_SIGNAL, VM_BY_USER };

enum vm_state { VM_BUILT, VM_PRELAUNCH, VM_RUNNING, VM_PAUSED, VM_ENDED };

/* What listeners hear of, when it has happened. */
enum vm_event {
	VM_EVENT_STOP,	 /* was paused */
	VM_EVENT_RESUME, /* runs (again) */
	VM_EVENT_RESET,
	VM_EVENT_POWERDOWN, /* the power button was pressed */
	VM_EVENT_IO_ERROR,  /* vm.io_error; if it stops the VM, STOP follows */
	VM_EVENT_CRASH, /* why is in vm.crash; what --on-crash says follows */
	VM_EVENT_TRAY,	/* see vm.tray */
	VM_EVENT_UNPLUGGED, /* vm.unplugged is gone */
	VM_EVENT_SHUTDOWN,  /* ended */
};

/* Owned by who listens; called in the main thread. */
struct vm_listener {
	void (*fn)(void *opaque, enum vm_event event, enum vm_cause cause);
	void *opaque;
	struct vm_listener *next;
};

/* A disk's request failed on the host. */
struct vm_io_error {
	const char *device;
	bool write; /* or anything else that is not reading */
	bool stops; /* the VM pauses, and the request is tried again then */
	int err;    /* errno */
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
	struct iothread *iothreads;
	struct fastpath fast;
	struct device *devices;
	struct pci_host *pci;	 /* set by the host bridge's realize */
	struct ich9 *ich9;	 /* set by the LPC bridge's realize */
	struct hotplug *hotplug; /* set by its realize; NULL: there is none */
	struct boot *boot;
	struct snapshot *snapshot; /* being taken; the main thread's */
	struct {
		int state; /* files that it begins from, or -1 */
		int memory;
	} restore;
	unsigned int nr_virtio_mmio; /* virtio devices on no bus */

	unsigned int nr_vcpus;
	struct vcpu *vcpus;

	pthread_mutex_t lock;
	pthread_cond_t cond; /* want or a vcpu.parked has changed */
	enum vcpu_want want;
	enum vm_request request;
	enum vm_cause cause;
	struct error crash;	 /* why VM_REQ_CRASH */
	unsigned int crash_vcpu; /* and whose */

	int ids;     /* for sandbox_id() */
	pid_t pid;   /* as others know this process */
	dev_t nodes; /* /dev, or where its nodes come from */

	struct loop_call on_request;
	struct loop_call on_hit;
	/* Main thread only. */
	enum vm_state state;
	struct vm_io_error io_error; /* the last; device NULL: none since
				      * the VM was resumed */
	bool crashed; /* PAUSED until a reset: nothing else helps */
	enum vm_request ended;
	struct vm_listener *listeners;
	struct {
		const char *drive; /* whose tray was moved last */
		bool open;
	} tray;
	const char *unplugged; /* the id, while listeners are told */
};

/* All or nothing; @vm is all zeros, @cfg must outlive it. */
int vm_create(struct vm *vm, const struct config *cfg, struct error *err);
/*
 * Locks it in (sandbox.h) and runs until it ends; returns the request that
 * ended it, or -errno.  Once.
 */
int vm_run(struct vm *vm, struct error *err);
void vm_destroy(struct vm *vm);

/*
 * From any thread.  Asked by a vCPU thread, its guest executes nothing more
 * after the access that it is in.  vm_request is the guest's own.
 */
void vm_request(struct vm *vm, enum vm_request req);
void vm_request_by(struct vm *vm, enum vm_request req, enum vm_cause cause);
/* From the thread of the vCPU that cannot go on. */
void vm_crash(struct vm *vm, unsigned int vcpu, const struct error *why);
/* From the thread of a vCPU that met the debugger: pauses the VM. */
void vm_hit(struct vm *vm, struct vcpu *vcpu);

/*
 * Whether vCPUs are to stop executing: who waits in one of them for the main
 * thread must give up, as that waits for it.  From any thread.
 */
bool vm_parks(struct vm *vm);

/* The main thread's loop. */
void vm_power_button(struct vm *vm); /* of ACPI */
/* Do nothing if it is so already; what has crashed does not resume. */
void vm_pause(struct vm *vm);
void vm_resume(struct vm *vm);
void vm_io_error(struct vm *vm, const struct vm_io_error *error);
void vm_tray_moved(struct vm *vm, const char *drive, bool open);
void vm_unplugged(struct vm *vm, const char *id);
void vm_listen(struct vm *vm, struct vm_listener *listener);
void vm_unlisten(struct vm *vm, struct vm_listener *listener);

#endif
