// SPDX-License-Identifier: GPL-2.0-or-later
/* What clients are told unasked, in QEMU's words. */
#include <errno.h>
#include <string.h>

#include "../config.h"
#include "server.h"

/* Takes @data, which may be NULL. */
static void tell(struct control *control, const char *name, json_t *data)
{
	json_t *event = qmp_event(name, data);
	struct client *c, *next;

	for (c = control->clients; c; c = next) {
		next = c->next;
		if (c->session.negotiated)
			client_send(c, event);
	}
	json_decref(event);
}

/* ShutdownCause */
static const char *reset_reason(enum vm_cause cause)
{
	switch (cause) {
	case VM_BY_QMP:
		return "host-qmp-system-reset";
	case VM_BY_SIGNAL:
		return "host-signal";
	case VM_BY_USER:
		return "host-ui";
	default:
		return "guest-reset";
	}
}

static const char *shutdown_reason(const struct vm *vm, enum vm_cause cause)
{
	if (vm->crashed)
		return "guest-panic";
	switch (cause) {
	case VM_BY_QMP:
		return "host-qmp-quit";
	case VM_BY_SIGNAL:
		return "host-signal";
	case VM_BY_USER:
		return "host-ui";
	default:
		return "guest-shutdown";
	}
}

/* GuestPanicAction */
static const char *panic_action(enum on_crash on_crash)
{
	switch (on_crash) {
	case ON_CRASH_PAUSE:
		return "pause";
	case ON_CRASH_RESET:
		return "run";
	default:
		return "poweroff";
	}
}

static json_t *because(enum vm_cause cause, const char *reason)
{
	return json_pack("{s:b,s:s}", "guest", cause == VM_BY_GUEST, "reason",
			 reason);
}

static json_t *io_error(const struct vm *vm)
{
	const struct vm_io_error *e = &vm->io_error;

	return json_pack("{s:s,s:s,s:s,s:s,s:b,s:s}", "device", e->device,
			 "node-name", e->device, "operation",
			 e->write ? "write" : "read", "action",
			 e->stops ? "stop" : "report", "nospace",
			 e->err == ENOSPC, "reason", strerror(e->err));
}

void control_on_vm(void *opaque, enum vm_event event, enum vm_cause cause)
{
	struct control *control = opaque;

	switch (event) {
	case VM_EVENT_STOP:
		tell(control, "STOP", NULL);
		break;
	case VM_EVENT_RESUME:
		tell(control, "RESUME", NULL);
		break;
	case VM_EVENT_RESET:
		tell(control, "RESET", because(cause, reset_reason(cause)));
		break;
	case VM_EVENT_POWERDOWN:
		tell(control, "POWERDOWN", NULL);
		break;
	case VM_EVENT_IO_ERROR:
		tell(control, "BLOCK_IO_ERROR", io_error(control->vm));
		break;
	case VM_EVENT_CRASH:
		tell(control, "GUEST_PANICKED",
		     json_pack("{s:s}", "action",
			       panic_action(control->vm->cfg->on_crash)));
		break;
	case VM_EVENT_TRAY:
		tell(control, "DEVICE_TRAY_MOVED",
		     json_pack("{s:s,s:s,s:b}", "device",
			       control->vm->tray.drive, "id",
			       control->vm->tray.drive, "tray-open",
			       control->vm->tray.open));
		break;
	case VM_EVENT_UNPLUGGED:
		tell(control, "DEVICE_DELETED",
		     json_pack("{s:s,s:s+}", "device", control->vm->unplugged,
			       "path", "/machine/peripheral/",
			       control->vm->unplugged));
		break;
	case VM_EVENT_SHUTDOWN:
		tell(control, "SHUTDOWN",
		     because(cause, shutdown_reason(control->vm, cause)));
		break;
	}
}
