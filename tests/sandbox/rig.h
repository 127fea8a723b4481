/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine of which a test has the threads: all as in vireo run, but what the
 * guest would do in a vCPU's thread, and what the main loop would do first, are
 * functions of the test's.
 */
#ifndef VIREO_TEST_RIG_H
#define VIREO_TEST_RIG_H

#include "accel.h"
#include "config.h"
#include "error.h"
#include "loop.h"
#include "vm.h"

struct rig {
	struct vm vm;
	struct config cfg;
	struct accel_ops ops;
	struct loop_call call;
	/* As in_main, but of the first disk's loop. */
	void (*in_io)(void *opaque);
	/* The same of the network card that follows it. */
	void (*in_net)(void *opaque);
	/* The main loop's, once; the guest's, in place of KVM's.  Or NULL. */
	void (*in_main)(void *opaque);
	enum accel_exit (*in_vcpu)(struct accel_vcpu *vcpu, struct error *err);
};

/* The machine's process that a vCPU belongs to. */
struct rig *rig_of(struct accel_vcpu *vcpu);

/*
 * Runs a machine with these options of vireo run, after which rig->ops may be
 * changed by @change.  Returns what vm_run returns, or 1 with a message.
 */
int rig_run(struct rig *rig, int argc, char **argv,
	    void (*change)(struct rig *rig));

#endif
