// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm.h"

#include <errno.h>
#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot/boot.h"
#include "config.h"
#include "crash.h"
#include "device.h"
#include "device/devices.h"
#include "log.h"
#include "migrate/restore.h"
#include "migrate/snapshot.h"
#include "plug.h"
#include "sandbox.h"
#include "vcpu.h"

static int create_memory(struct vm *vm, struct error *err)
{
	struct mem_options opt = vm->cfg->memory;
	const struct mem_backend *backend;
	int rc;

	if (vm->cfg->restore.lazy) {
		opt.file = vm->restore.memory;
		backend = &mem_backend_file;
	} else {
		backend = mem_choose(&opt, fastpath_no_memory(&vm->fast), err);
	}
	if (!backend)
		return -EOPNOTSUPP;
	rc = mem_init(&vm->mem, backend, &opt, err);
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
static void stop_at_hit(void *opaque);

/*
 * glibc's arenas of threads open a file when they shrink, which kills those that
 * may not.  vCPUs' threads have no use for any.
 */
static void share_arena(void)
{
#ifdef M_ARENA_MAX
	mallopt(M_ARENA_MAX, 1);
#endif
}

int vm_create(struct vm *vm, const struct config *cfg, struct error *err)
{
	int rc;

	share_arena();
	vm->cfg = cfg;
	pthread_mutex_init(&vm->lock, NULL);
	pthread_cond_init(&vm->cond, NULL);
	bus_init(&vm->pio, BUS_PIO);
	bus_init(&vm->mmio, BUS_MMIO);
	vm->fast.vm_fd = -1;
	vm->fast.queue_fd = -1;
	vm->on_request.fn = carry_out;
	vm->on_request.opaque = vm;
	vm->on_hit.fn = stop_at_hit;
	vm->on_hit.opaque = vm;

	/* Before anything costly: a wrong path is the commonest mistake. */
	rc = restore_open(vm, err);
	if (rc)
		goto err_sync;
	rc = boot_open(vm, err);
	if (rc)
		goto err_restore;
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
err_restore:
	restore_close(vm);
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
	restore_close(vm);
	mem_destroy(&vm->mem);
	bus_destroy(&vm->mmio);
	bus_destroy(&vm->pio);
	pthread_cond_destroy(&vm->cond);
	pthread_mutex_destroy(&vm->lock);
}

/*
 * Everything to power-on state, and the kernel into memory; all stopped.  @boot
 * false: nothing into memory, and the first processor to nowhere.
 */
static int power_on(struct vm *vm, bool boot, struct error *err)
{
	struct cpu_entry entry;
	unsigned int i;
	int rc;

	rc = vm->accel->ops->reset(vm->accel);
	if (rc)
		return error_sys(err, -rc, "cannot reset the machine");
	devices_reset(vm);
	rc = boot ? boot_load(vm, &entry, err) : 0;
	if (rc)
		return rc;
	for (i = 0; i < vm->nr_vcpus; i++) {
		rc = vm->accel->ops->vcpu_reset(vm->vcpus[i].accel,
						i || !boot ? NULL : &entry,
						err);
		if (rc)
			return rc;
	}
	return 0;
}

static void start(struct vm *vm)
{
	devices_start(vm);
	vcpus_run(vm);
	vm->state = VM_RUNNING;
}

static void stop(struct vm *vm)
{
	vcpus_park(vm);
	if (vm->state == VM_RUNNING)
		devices_stop(vm);
}

/* ---- who wants to know ---------------------------------------------------- */

static void notify(struct vm *vm, enum vm_event event, enum vm_cause cause)
{
	struct vm_listener *l, *next;

	for (l = vm->listeners; l; l = next) {
		next = l->next;
		l->fn(l->opaque, event, cause);
	}
}

void vm_listen(struct vm *vm, struct vm_listener *listener)
{
	listener->next = vm->listeners;
	vm->listeners = listener;
}

void vm_unlisten(struct vm *vm, struct vm_listener *listener)
{
	struct vm_listener **p;

	for (p = &vm->listeners; *p; p = &(*p)->next)
		if (*p == listener) {
			*p = listener->next;
			break;
		}
}

/* ---- what is asked of it --------------------------------------------------- */

static int reset(struct vm *vm, enum vm_cause cause)
{
	bool runs = vm->state == VM_RUNNING;
	int rc;

	log_info(NULL, "reset");
	vm->state = VM_PRELAUNCH;
	vm->crashed = false;
	vm->io_error.device = NULL;
	plug_reset(vm);
	rc = power_on(vm, true, &vm->crash);
	if (rc)
		return rc;
	notify(vm, VM_EVENT_RESET, cause);
	if (runs)
		start(vm);
	return 0;
}

/* What --on-crash asks for; VM_REQ_NONE: it is paused. */
static enum vm_request after_crash(struct vm *vm, enum vm_cause cause)
{
	static const enum vm_request next[] = {
		[ON_CRASH_STOP] = VM_REQ_CRASH,
		[ON_CRASH_RESET] = VM_REQ_RESET,
		[ON_CRASH_POWEROFF] = VM_REQ_SHUTDOWN,
		[ON_CRASH_PAUSE] = VM_REQ_NONE,
	};
	enum vm_request req = next[vm->cfg->on_crash];

	crash_report(vm, vm->crash_vcpu);
	/* Else main.c says it. */
	if (req != VM_REQ_CRASH)
		log_error(NULL, "%s", vm->crash.text);
	vm->crashed = true;
	notify(vm, VM_EVENT_CRASH, cause);
	if (req == VM_REQ_NONE) {
		vm->state = VM_PAUSED;
		notify(vm, VM_EVENT_STOP, cause);
	}
	return req;
}

/* The main thread: does what was asked for. */
static void carry_out(void *opaque)
{
	struct vm *vm = opaque;
	enum vm_request req;
	enum vm_cause cause;

	pthread_mutex_lock(&vm->lock);
	req = vm->request;
	pthread_mutex_unlock(&vm->lock);
	if (req == VM_REQ_NONE)
		return; /* asked again while it was carried out */
	stop(vm);
	pthread_mutex_lock(&vm->lock);
	req = vm->request;
	cause = vm->cause;
	vm->request = VM_REQ_NONE;
	pthread_mutex_unlock(&vm->lock);

	if (req == VM_REQ_CRASH) {
		req = after_crash(vm, cause);
		if (req == VM_REQ_NONE)
			return;
	}
	if (req == VM_REQ_RESET) {
		if (!reset(vm, cause))
			return;
		req = VM_REQ_CRASH;
		cause = VM_BY_GUEST;
	}
	vm->state = VM_ENDED;
	vm->ended = req;
	notify(vm, VM_EVENT_SHUTDOWN, cause);
	loop_stop(vm->loop);
}

/* What was hit may be gone by now: somebody resumed or reset the VM. */
static void stop_at_hit(void *opaque)
{
	struct vm *vm = opaque;

	if (vcpus_hit(vm))
		vm_pause(vm);
}

/* In a container, nodes may be mounted from the host's /dev one by one. */
static dev_t find_nodes(void)
{
	struct stat st;

	return stat("/dev/null", &st) ? 0 : st.st_dev;
}

/* All is made and open; threads are the last. */
static int lock_in(struct vm *vm, struct error *err)
{
	int rc;

	vm->nodes = find_nodes();
	vm->ids = sandbox_open_ids(vm->cfg->sandbox);
	vm->pid = sandbox_id(vm->ids);
	rc = sandbox_enter(vm->cfg->sandbox, err);
	if (!rc)
		rc = devices_begin(vm, err);
	if (!rc)
		rc = vcpus_start(vm, err);
	if (vm->ids >= 0)
		close(vm->ids);
	if (rc)
		return rc;
	rc = sandbox_thread(vm->cfg->sandbox, SANDBOX_MAIN);
	return rc ? error_sys(err, -rc, "cannot lock in the main thread") : 0;
}

/* For the first time; a machine that was restored goes on. */
static void begin(struct vm *vm)
{
	if (!vm->cfg->restore.dir) {
		start(vm);
		return;
	}
	vm_resume(vm);
	restore_announce(vm);
}

int vm_run(struct vm *vm, struct error *err)
{
	int rc;

	vm->ended = VM_REQ_NONE;
	rc = lock_in(vm, err);
	if (!rc)
		rc = power_on(vm, !vm->cfg->restore.dir, err);
	if (!rc && vm->cfg->restore.dir)
		rc = restore_load(vm, err);
	if (rc)
		return rc;
	vm->state = vm->cfg->restore.dir ? VM_PAUSED : VM_PRELAUNCH;
	if (!vm->cfg->paused)
		begin(vm);
	rc = loop_run(vm->loop);
	snapshot_abort(vm);
	if (rc) {
		stop(vm);
		return error_sys(err, -rc, "the event loop failed");
	}
	if (vm->ended == VM_REQ_CRASH && err)
		*err = vm->crash;
	return (int)vm->ended;
}

static void request(struct vm *vm, enum vm_request req, enum vm_cause cause,
		    unsigned int vcpu, const struct error *why)
{
	unsigned int i;

	pthread_mutex_lock(&vm->lock);
	if (req > vm->request) {
		vm->request = req;
		vm->cause = cause;
		if (why) {
			vm->crash = *why;
			vm->crash_vcpu = vcpu;
		}
	}
	for (i = 0; i < vm->nr_vcpus; i++)
		vm->accel->ops->kick(vm->vcpus[i].accel);
	pthread_mutex_unlock(&vm->lock);
	loop_post(vm->loop, &vm->on_request);
}

void vm_request(struct vm *vm, enum vm_request req)
{
	request(vm, req, VM_BY_GUEST, 0, NULL);
}

void vm_request_by(struct vm *vm, enum vm_request req, enum vm_cause cause)
{
	request(vm, req, cause, 0, NULL);
}

void vm_crash(struct vm *vm, unsigned int vcpu, const struct error *why)
{
	request(vm, VM_REQ_CRASH, VM_BY_GUEST, vcpu, why);
}

void vm_hit(struct vm *vm, struct vcpu *vcpu)
{
	pthread_mutex_lock(&vm->lock);
	vcpu->hit = true;
	pthread_mutex_unlock(&vm->lock);
	loop_post(vm->loop, &vm->on_hit);
}

bool vm_parks(struct vm *vm)
{
	bool parks;

	pthread_mutex_lock(&vm->lock);
	parks = vm->want != VCPU_RUN;
	pthread_mutex_unlock(&vm->lock);
	return parks;
}

void vm_power_button(struct vm *vm)
{
	ich9_power_button(vm->ich9);
	notify(vm, VM_EVENT_POWERDOWN, VM_BY_USER);
}

void vm_tray_moved(struct vm *vm, const char *drive, bool open)
{
	vm->tray.drive = drive;
	vm->tray.open = open;
	notify(vm, VM_EVENT_TRAY, VM_BY_GUEST);
}

void vm_unplugged(struct vm *vm, const char *id)
{
	vm->unplugged = id;
	notify(vm, VM_EVENT_UNPLUGGED, VM_BY_GUEST);
	vm->unplugged = NULL;
}

void vm_pause(struct vm *vm)
{
	if (vm->state != VM_RUNNING)
		return;
	stop(vm);
	if (vm->accel->ops->clock)
		vm->accel->ops->clock(vm->accel, false);
	vm->state = VM_PAUSED;
	notify(vm, VM_EVENT_STOP, VM_BY_USER);
}

void vm_io_error(struct vm *vm, const struct vm_io_error *error)
{
	vm->io_error = *error;
	notify(vm, VM_EVENT_IO_ERROR, VM_BY_GUEST);
	if (error->stops)
		vm_pause(vm);
}

void vm_resume(struct vm *vm)
{
	unsigned int i;

	if ((vm->state != VM_PAUSED && vm->state != VM_PRELAUNCH) ||
	    vm->crashed)
		return;
	for (i = 0; i < vm->nr_vcpus; i++)
		vm->accel->ops->was_paused(vm->vcpus[i].accel);
	if (vm->state == VM_PAUSED && vm->accel->ops->clock)
		vm->accel->ops->clock(vm->accel, true);
	vm->io_error.device = NULL;
	/* Before it does something that they hear of, too. */
	notify(vm, VM_EVENT_RESUME, VM_BY_USER);
	start(vm);
}
