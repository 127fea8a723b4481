// SPDX-License-Identifier: GPL-2.0-or-later
#include "vcpu.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config.h"
#include "error.h"
#include "sandbox.h"
#include "thread.h"
#include "vm.h"

/*
 * A vCPU calls device code and little else: small stacks keep many vCPUs
 * cheap.  What is not touched is not there.
 */
#define VCPU_STACK (256 * 1024)

static void handle_exit(struct vcpu *vcpu, enum accel_exit why,
			struct error *err)
{
	switch (why) {
	case ACCEL_EXIT_KICKED:
		break;
	case ACCEL_EXIT_HALTED:
		error_set(err, EIO, "vCPU %u halted for ever", vcpu->id);
		vm_crash(vcpu->vm, vcpu->id, err);
		break;
	case ACCEL_EXIT_SHUTDOWN:
		error_set(err, EIO,
			  "the guest crashed: triple fault on vCPU %u",
			  vcpu->id);
		vm_crash(vcpu->vm, vcpu->id, err);
		break;
	case ACCEL_EXIT_FAILED:
		vm_crash(vcpu->vm, vcpu->id, err);
		break;
	case ACCEL_EXIT_DEBUG:
		vm_hit(vcpu->vm, vcpu);
		break;
	}
}

static void *vcpu_main(void *opaque)
{
	struct vcpu *vcpu = opaque;
	struct vm *vm = vcpu->vm;
	const struct accel_ops *ops = vm->accel->ops;
	enum vcpu_want want;
	struct error err;
	char name[16];
	pid_t tid;
	int rc;

	snprintf(name, sizeof(name), "vcpu%u", vcpu->id);
	pthread_setname_np(pthread_self(), name);
	ops->vcpu_attach(vcpu->accel);
	tid = sandbox_id(vm->ids);
	rc = sandbox_thread(vm->cfg->sandbox, SANDBOX_VCPU);
	pthread_mutex_lock(&vm->lock);
	vcpu->tid = tid;
	vcpu->sandboxed = rc;
	pthread_mutex_unlock(&vm->lock);
	for (;;) {
		pthread_mutex_lock(&vm->lock);
		/*
		 * Before the look at what is wanted: a kick that comes later
		 * stays and makes run return.
		 */
		ops->unkick(vcpu->accel);
		while (vm->want == VCPU_PARK ||
		       (vm->want == VCPU_RUN &&
			(vm->request || vcpu->hit || vcpu->hold))) {
			if (!vcpu->parked) {
				vcpu->parked = true;
				pthread_cond_broadcast(&vm->cond);
			}
			pthread_cond_wait(&vm->cond, &vm->lock);
			ops->unkick(vcpu->accel);
		}
		vcpu->parked = false;
		want = vm->want;
		pthread_mutex_unlock(&vm->lock);
		if (want == VCPU_QUIT)
			return NULL;
		handle_exit(vcpu, ops->run(vcpu->accel, &err), &err);
	}
}

static int vcpu_start(struct vcpu *vcpu, struct error *err)
{
	pthread_attr_t attr;
	int rc;

	/* The accelerator opens signals of its own. */
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, VCPU_STACK);
	rc = thread_create(&vcpu->thread, &attr, vcpu_main, vcpu);
	pthread_attr_destroy(&attr);
	if (rc)
		return error_sys(err, rc, "cannot start the thread of vCPU %u",
				 vcpu->id);
	vcpu->started = true;
	return 0;
}

int vcpus_create(struct vm *vm, struct error *err)
{
	unsigned int i, max = vm->accel->ops->max_vcpus(vm->accel);
	int rc;

	if (vm->cfg->cpus > max)
		return error_set(err, EINVAL,
				 "--cpus %u: this host's limit is %u",
				 vm->cfg->cpus, max);
	vm->vcpus = calloc(vm->cfg->cpus, sizeof(*vm->vcpus));
	if (!vm->vcpus)
		return error_sys(err, ENOMEM, "cannot make vCPUs");
	vm->nr_vcpus = vm->cfg->cpus;
	vm->want = VCPU_PARK;
	for (i = 0; i < vm->nr_vcpus; i++) {
		vm->vcpus[i].vm = vm;
		vm->vcpus[i].id = i;
		rc = vm->accel->ops->vcpu_create(vm->accel, i, vm->nr_vcpus,
						 &vm->fast, &vm->vcpus[i].accel,
						 err);
		if (rc)
			goto err_destroy;
	}
	return 0;

err_destroy:
	vcpus_destroy(vm);
	return rc;
}

static void kick_all(struct vm *vm)
{
	unsigned int i;

	for (i = 0; i < vm->nr_vcpus; i++)
		vm->accel->ops->kick(vm->vcpus[i].accel);
}

static void set_want(struct vm *vm, enum vcpu_want want)
{
	pthread_mutex_lock(&vm->lock);
	vm->want = want;
	pthread_cond_broadcast(&vm->cond);
	pthread_mutex_unlock(&vm->lock);
}

void vcpus_destroy(struct vm *vm)
{
	unsigned int i;

	if (!vm->vcpus)
		return;
	set_want(vm, VCPU_QUIT);
	for (i = vm->nr_vcpus; i-- > 0;) {
		if (!vm->vcpus[i].started)
			continue;
		vm->accel->ops->kick(vm->vcpus[i].accel);
		pthread_join(vm->vcpus[i].thread, NULL);
	}
	for (i = vm->nr_vcpus; i-- > 0;) {
		if (vm->vcpus[i].stats_fd > 0)
			close(vm->vcpus[i].stats_fd);
		if (vm->vcpus[i].accel)
			vm->accel->ops->vcpu_destroy(vm->vcpus[i].accel);
	}
	free(vm->vcpus);
	vm->vcpus = NULL;
	vm->nr_vcpus = 0;
}

void vcpus_run(struct vm *vm)
{
	unsigned int i;

	pthread_mutex_lock(&vm->lock);
	for (i = 0; i < vm->nr_vcpus; i++)
		vm->vcpus[i].hit = false;
	vm->want = VCPU_RUN;
	pthread_cond_broadcast(&vm->cond);
	pthread_mutex_unlock(&vm->lock);
}

bool vcpus_hit(struct vm *vm)
{
	unsigned int i;
	bool hit = false;

	pthread_mutex_lock(&vm->lock);
	for (i = 0; i < vm->nr_vcpus; i++)
		hit |= vm->vcpus[i].hit;
	pthread_mutex_unlock(&vm->lock);
	return hit;
}

void vcpu_hold(struct vcpu *vcpu, bool hold)
{
	pthread_mutex_lock(&vcpu->vm->lock);
	vcpu->hold = hold;
	pthread_mutex_unlock(&vcpu->vm->lock);
}

void vcpus_park(struct vm *vm)
{
	unsigned int i;

	set_want(vm, VCPU_PARK);
	kick_all(vm);
	pthread_mutex_lock(&vm->lock);
	for (i = 0; i < vm->nr_vcpus; i++)
		while (vm->vcpus[i].started && !vm->vcpus[i].parked)
			pthread_cond_wait(&vm->cond, &vm->lock);
	pthread_mutex_unlock(&vm->lock);
}

int vcpus_start(struct vm *vm, struct error *err)
{
	unsigned int i;
	int rc;

	for (i = 0; i < vm->nr_vcpus; i++) {
		rc = vcpu_start(&vm->vcpus[i], err);
		if (rc)
			return rc;
	}
	vcpus_park(vm);
	for (i = 0; i < vm->nr_vcpus; i++)
		if (vm->vcpus[i].sandboxed)
			return error_sys(err, -vm->vcpus[i].sandboxed,
					 "cannot lock in the thread of vCPU %u",
					 i);
	return 0;
}

void vcpus_open_stats(struct vm *vm)
{
	const struct accel_ops *ops = vm->accel->ops;
	bool runs = vm->state == VM_RUNNING;
	struct vcpu *vcpu;
	int fd;

	if (!ops->stats_fd || vm->vcpus[0].stats_fd)
		return;
	/*
	 * KVM takes the vCPU's mutex, which one that waits in KVM_RUN to be
	 * started by another holds for ever.
	 */
	if (runs)
		vcpus_park(vm);
	for (vcpu = vm->vcpus; vcpu < vm->vcpus + vm->nr_vcpus; vcpu++) {
		fd = ops->stats_fd(vm->accel, vcpu->accel);
		vcpu->stats_fd = fd > 0 ? fd : -1;
	}
	/* One that has met the debugger: it is about to pause them all. */
	if (runs && !vcpus_hit(vm))
		vcpus_run(vm);
}
