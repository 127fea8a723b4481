/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices that come and go while the machine runs: functions on the root bus,
 * with the guest's ACPI as the one who is told and asked (device/hotplug.c).
 *
 * A device comes while vCPUs run: nobody finds it before it has been reset, and
 * what it makes of threads and files it makes before that.  It goes while all
 * vCPUs are parked, for a moment: so none is in it, and none has it in its
 * memory of the bus.
 *
 * All of it is the main thread's.
 */
#ifndef VIREO_PLUG_H
#define VIREO_PLUG_H

#include <stdint.h>

struct dev_class;
struct device;
struct error;
struct vm;

struct plug_request {
	const struct dev_class *class;
	const char *id;
	unsigned int slot; /* 0: the first free */
	/* Taken, also on failure: released when the device is gone. */
	void *config;
	void (*release)(void *config);
};

/* All or nothing.  -EOPNOTSUPP: the machine has no slots for that. */
int plug_add(struct vm *vm, const struct plug_request *request,
	     struct error *err);
/*
 * Asks the guest for a device, which goes when the guest ejects it, or at the
 * next reset; -EINVAL if it cannot go, -EALREADY if the guest has yet to hear of
 * it.
 */
int plug_ask(struct vm *vm, struct device *dev, struct error *err);
/* The guest has let go of functions in @slots, whatever they are. */
void plug_ejected(struct vm *vm, uint32_t slots);
/* What it was asked for goes: it is reset. */
void plug_reset(struct vm *vm);

#endif
