// SPDX-License-Identifier: GPL-2.0-or-later
#include "rig.h"

#include <stddef.h>
#include <stdio.h>

#include "accel/kvm.h"
#include "iothread.h"
#include "options.h"

struct rig *rig_of(struct accel_vcpu *vcpu)
{
	return (struct rig *)((char *)vcpu->kvm->accel.ops -
			      offsetof(struct rig, ops));
}

static int failed(const struct error *err)
{
	fprintf(stderr, "rig: %s\n", err->text);
	return 1;
}

int rig_run(struct rig *rig, int argc, char **argv,
	    void (*change)(struct rig *rig))
{
	struct error err;
	int rc;

	if (options_parse(&rig->cfg, argc, argv, &err) ||
	    vm_create(&rig->vm, &rig->cfg, &err))
		return failed(&err);
	rig->ops = *rig->vm.accel->ops;
	rig->vm.accel->ops = &rig->ops;
	if (rig->in_vcpu)
		rig->ops.run = rig->in_vcpu;
	if (change)
		change(rig);
	if (rig->in_main) {
		rig->call.fn = rig->in_main;
		rig->call.opaque = rig;
		loop_post(rig->vm.loop, &rig->call);
	}
	if (rig->in_io) {
		rig->call.fn = rig->in_io;
		rig->call.opaque = rig;
		loop_post(rig->vm.iothreads->loop, &rig->call);
	}
	/* The disk's is before it. */
	if (rig->in_net) {
		rig->call.fn = rig->in_net;
		rig->call.opaque = rig;
		loop_post(rig->vm.iothreads->next->loop, &rig->call);
	}
	rc = vm_run(&rig->vm, &err);
	vm_destroy(&rig->vm);
	config_free(&rig->cfg);
	return rc < 0 ? failed(&err) : rc;
}
