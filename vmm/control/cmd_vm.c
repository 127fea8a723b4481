// SPDX-License-Identifier: GPL-2.0-or-later
/* The machine: what it is, whether it runs, and what it is to do. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../chardev.h"
#include "../config.h"
#include "../iothread.h"
#include "../device/devices.h"
#include "../options.h"
#include "../vcpu.h"
#include "../virtio/virtio_devices.h"
#include "commands.h"
#include "server.h"

static const char *run_state(const struct vm *vm)
{
	if (vm->crashed)
		return "guest-panicked";
	switch (vm->state) {
	case VM_RUNNING:
		return "running";
	case VM_PAUSED:
		return vm->io_error.device && vm->io_error.stops ? "io-error" :
								   "paused";
	case VM_ENDED:
		return "shutdown";
	default:
		return "prelaunch";
	}
}

json_t *cmd_query_status(struct qmp_call *call, json_t *args)
{
	const struct vm *vm = call->control->vm;

	(void)args;
	return json_pack("{s:b,s:b,s:s}", "running", vm->state == VM_RUNNING,
			 "singlestep", 0, "status", run_state(vm));
}

json_t *cmd_query_name(struct qmp_call *call, json_t *args)
{
	(void)args;
	return json_pack("{s:s}", "name", call->control->vm->cfg->name);
}

json_t *cmd_query_uuid(struct qmp_call *call, json_t *args)
{
	const char *uuid = call->control->vm->cfg->uuid;

	(void)args;
	return json_pack("{s:s}", "UUID", uuid ? uuid : CONFIG_NO_UUID);
}

json_t *cmd_query_kvm(struct qmp_call *call, json_t *args)
{
	(void)call;
	(void)args;
	return json_pack("{s:b,s:b}", "enabled", 1, "present", 1);
}

json_t *cmd_query_target(struct qmp_call *call, json_t *args)
{
	(void)call;
	(void)args;
	return json_pack("{s:s}", "arch", "x86_64");
}

json_t *cmd_query_cpus(struct qmp_call *call, json_t *args)
{
	struct vm *vm = call->control->vm;
	json_t *list = json_array();
	char path[QOM_PATH_MAX];
	unsigned int i;
	pid_t tid;

	(void)args;
	for (i = 0; i < vm->nr_vcpus; i++) {
		pthread_mutex_lock(&vm->lock);
		tid = vm->vcpus[i].tid;
		pthread_mutex_unlock(&vm->lock);
		qom_vcpu_path(i, path);
		/* All are cores of one package. */
		json_array_append_new(list,
				      json_pack("{s:i,s:s,s:i,s:{s:i,s:i,s:i},s:s}",
						"cpu-index", i, "qom-path",
						path, "thread-id", tid, "props",
						"socket-id", 0, "core-id", i,
						"thread-id", 0, "target",
						"x86_64"));
	}
	return list;
}

json_t *cmd_query_memory(struct qmp_call *call, json_t *args)
{
	(void)args;
	return json_pack("{s:I,s:i}", "base-memory",
			 (json_int_t)call->control->vm->mem.size,
			 "plugged-memory", 0);
}

json_t *cmd_query_iothreads(struct qmp_call *call, json_t *args)
{
	const struct iothread *t;
	json_t *list = json_array();

	(void)args;
	for (t = call->control->vm->iothreads; t; t = t->next)
		json_array_append_new(list,
				      json_pack("{s:s,s:i,s:I,s:i,s:i,s:i}",
						"id", t->name, "thread-id",
						(int)t->tid, "poll-max-ns",
						(json_int_t)t->poll_max_ns,
						"poll-grow", 0, "poll-shrink",
						0, "aio-max-batch", 0));
	return list;
}

/* "pty /dev/pts/3" is "pty:/dev/pts/3" to QEMU and who drives it. */
static void add_chardev(json_t *list, const char *label,
			const struct chardev *chr)
{
	char filename[128], *blank;

	snprintf(filename, sizeof(filename), "%s", chardev_label(chr));
	if (!strcmp(filename, "none"))
		snprintf(filename, sizeof(filename), "null");
	blank = strchr(filename, ' ');
	if (blank)
		*blank = ':';
	json_array_append_new(list, json_pack("{s:s,s:o,s:b}", "label", label,
					      "filename", qmp_text(filename),
					      "frontend-open", 1));
}

json_t *cmd_query_chardev(struct qmp_call *call, json_t *args)
{
	struct control *control = call->control;
	json_t *list = json_array();
	struct device *dev;
	char label[32];
	unsigned int i;

	(void)args;
	for (i = 0; i < control->nr_servers; i++) {
		snprintf(label, sizeof(label), "compat_monitor%u", i);
		json_array_append_new(list,
				      json_pack("{s:s,s:o,s:b}", "label", label,
						"filename",
						qmp_text(control->servers[i]
								 .target),
						"frontend-open", 1));
	}
	for (dev = control->vm->devices; dev; dev = dev->next) {
		if (dev->class == &serial_class)
			add_chardev(list, dev->id, serial_chardev(dev));
		else if (dev->class == &virtio_console_class)
			add_chardev(list, dev->id, virtio_console_chardev(dev));
	}
	return list;
}

json_t *cmd_query_vm(struct qmp_call *call, json_t *args)
{
	const struct control *control = call->control;
	const struct fastpath *fast = &control->vm->fast;

	(void)args;
	return json_pack("{s:s,s:i,s:I,s:b,s:s}", "version", VIREO_VERSION,
			 "pid", control->vm->pid, "started",
			 (json_int_t)control->started, "module",
			 fast->vm_fd >= 0, "module-info", fast->why);
}

/* What --config would read; the schema of that is a JSON schema of its own. */
json_t *cmd_query_config(struct qmp_call *call, json_t *args)
{
	json_t *config = options_to_json(call->control->vm->cfg);

	(void)args;
	return config ? config :
			qmp_fail(call, "GenericError", "out of memory");
}

json_t *cmd_stop(struct qmp_call *call, json_t *args)
{
	(void)args;
	vm_pause(call->control->vm);
	return json_object();
}

json_t *cmd_cont(struct qmp_call *call, json_t *args)
{
	(void)args;
	if (call->control->vm->crashed)
		return qmp_fail(call, "GenericError",
				"Resetting the Virtual Machine is required");
	vm_resume(call->control->vm);
	return json_object();
}

/* These two are carried out after the answer. */
json_t *cmd_reset(struct qmp_call *call, json_t *args)
{
	(void)args;
	vm_request_by(call->control->vm, VM_REQ_RESET, VM_BY_QMP);
	return json_object();
}

json_t *cmd_quit(struct qmp_call *call, json_t *args)
{
	(void)args;
	vm_request_by(call->control->vm, VM_REQ_STOP, VM_BY_QMP);
	return json_object();
}

json_t *cmd_powerdown(struct qmp_call *call, json_t *args)
{
	(void)args;
	vm_power_button(call->control->vm);
	return json_object();
}
