// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm.h"

#include <errno.h>

#include "boot/boot.h"
#include "config.h"
#include "device.h"
#include "device/devices.h"
#include "log.h"
#include "vcpu.h"

static int create_memory(struct vm *vm, struct error *err)
{
	const struct mem_options *opt = &vm->cfg->memory;
	const struct mem_backend *backend =
		mem_choose(opt, fastpath_no_memory(&vm->fast), err);
	int rc;

	if (!backend)
		return -EOPNOTSUPP;
	rc = mem_init(&vm->mem, backend, opt, err);
	if (rc)
		return rc;
	rc = mem_attach(&vm->mem, vm->accel, err);
	if (rc) {
		mem_destroy(&vm->mem);
		return rc;
	}
	fastpath_map_memory(&vm->fast, &vm->mem);
	log_info(NULL, "memory: %s", mem_backend_name(&vm->mem));
	return 0;
}

static void carry_out(void *opaque);

int vm_create(struct vm *vm, const struct config *cfg, struct error *err)
{
	int rc;

	vm->cfg = cfg;
	pthread_mutex_init(&vm->lock, NULL);
	pthread_cond_init(&vm->cond, NULL);
	bus_init(&vm->pio, BUS_PIO);
	bus_init(&vm->mmio, BUS_MMIO);
	vm->fast.vm_fd = -1;
	vm->on_request.fn = carry_out;
	vm->on_request.opaque = vm;

	/* Before anything costly: a wrong path is the commonest mistake. */
	rc = boot_open(vm, err);
	if (rc)
		goto err_sync;
	rc = accel_kvm.create(&vm->accel, &vm->pio, &vm->mmio, err);
	if (rc)
		goto err_boot;
	rc = fastpath_open(&vm->fast, vm->accel->ops->vm_fd(vm->accel),
			   cfg->name, cfg->cpus, cfg->module, err);
	if (rc)
		goto err_accel;
	log_info(NULL, "fast path: %s", vm->fast.why);
	rc = create_memory(vm, err);
	if (rc)
		goto err_fast;
	rc = loop_new(&vm->loop, err);
	if (rc)
		goto err_mem;
	irqs_init(&vm->irqs, vm->accel);
	rc = devices_create(vm, err);
	if (rc)
		goto err_devices;
	rc = vcpus_create(vm, err);
	if (rc)
		goto err_devices;
	return 0;

err_devices:
	devices_destroy(vm);
	irqs_destroy(&vm->irqs);
	loop_free(vm->loop);
err_mem:
	mem_destroy(&vm->mem);
err_fast:
	fastpath_close(&vm->fast);
err_accel:
	vm->accel->ops->destroy(vm->accel);
err_boot:
	boot_close(vm);
err_sync:
	bus_destroy(&vm->mmio);
	bus_destroy(&vm->pio);
	pthread_cond_destroy(&vm->cond);
	pthread_mutex_destroy(&vm->lock);
	return rc;
}

void vm_destroy(struct vm *vm)
{
	vcpus_destroy(vm);
	devices_destroy(vm);
	fastpath_close(&vm->fast);
	irqs_destroy(&vm->irqs);
	loop_free(vm->loop);
	vm->accel->ops->destroy(vm->accel);
	boot_close(vm);
	mem_destroy(&vm->mem);
	bus_destroy(&vm->mmio);
	bus_destroy(&vm->pio);
	pthread_cond_destroy(&vm->cond);
	pthread_mutex_destroy(&vm->lock);
}

/* Everything to power-on state, and the kernel into memory; all stopped. */
static int power_on(struct vm *vm, struct error *err)
{
	struct cpu_entry entry;
	unsigned int i;
	int rc;

	rc = vm->accel->ops->reset(vm->accel);
	if (rc)
		return error_sys(err, -rc, "cannot reset the machine");
	devices_reset(vm);
	rc = boot_load(vm, &entry, err);
	if (rc)
		return rc;
	for (i = 0; i < vm->nr_vcpus; i++) {
		rc = vm->accel->ops->vcpu_reset(vm->vcpus[i].accel,
						i ? NULL : &entry, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int start(struct vm *vm, struct error *err)
{
	int rc = power_on(vm, err);

	if (rc)
		return rc;
	devices_start(vm);
	vcpus_run(vm);
	return 0;
}

static void stop(struct vm *vm)
{
	vcpus_park(vm);
	devices_stop(vm);
}

/* The main thread: does what was asked for. */
static void carry_out(void *opaque)
{
	struct vm *vm = opaque;
	enum vm_request req;

	stop(vm);
	pthread_mutex_lock(&vm->lock);
	req = vm->request;
	vm->request = VM_REQ_NONE;
	pthread_mutex_unlock(&vm->lock);

	if (req == VM_REQ_RESET) {
		log_info(NULL, "reset");
		if (!start(vm, &vm->crash))
			return;
		req = VM_REQ_CRASH;
	}
	vm->ended = req;
	loop_stop(vm->loop);
}

int vm_run(struct vm *vm, struct error *err)
{
	int rc;

	vm->ended = VM_REQ_NONE;
	rc = start(vm, err);
	if (rc)
		return rc;
	rc = loop_run(vm->loop);
	if (rc) {
		stop(vm);
		return error_sys(err, -rc, "the event loop failed");
	}
	if (vm->ended == VM_REQ_CRASH && err)
		*err = vm->crash;
	return (int)vm->ended;
}

static void request(struct vm *vm, enum vm_request req, const struct error *why)
{
	unsigned int i;

	pthread_mutex_lock(&vm->lock);
	if (req > vm->request) {
		vm->request = req;
		if (why)
			vm->crash = *why;
	}
	for (i = 0; i < vm->nr_vcpus; i++)
		vm->accel->ops->kick(vm->vcpus[i].accel);
	pthread_mutex_unlock(&vm->lock);
	loop_post(vm->loop, &vm->on_request);
}

void vm_request(struct vm *vm, enum vm_request req)
{
	request(vm, req, NULL);
}

void vm_crash(struct vm *vm, const struct error *why)
{
	request(vm, VM_REQ_CRASH, why);
}

void vm_power_button(struct vm *vm)
{
	ich9_power_button(vm->ich9);
}
