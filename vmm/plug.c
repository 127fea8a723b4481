// SPDX-License-Identifier: GPL-2.0-or-later
#include "plug.h"

#include <errno.h>
#include <string.h>

#include "config.h"
#include "device.h"
#include "device/devices.h"
#include "device/pci.h"
#include "error.h"
#include "log.h"
#include "vcpu.h"
#include "virtio/virtio_devices.h"
#include "vm.h"

/* What the machine is not made of. */
static bool can_go(const struct vm *vm, const struct device *dev)
{
	return vm->cfg->virtio.transport == VIRTIO_PCI &&
	       (dev->class == &virtio_blk_class ||
		dev->class == &virtio_net_class ||
		dev->class == &virtio_rng_class);
}

static unsigned int slot_of(const struct device *dev)
{
	return ((const struct pci_dev *)dev)->devfn >> 3;
}

static struct device *find_slot(struct vm *vm, unsigned int slot)
{
	struct device *dev;

	for (dev = vm->devices; dev; dev = dev->next)
		if (can_go(vm, dev) && slot_of(dev) == slot)
			return dev;
	return NULL;
}

static const char *why_not(const struct vm *vm, const char *id)
{
	const struct device *dev;

	if (!vm->hotplug)
		return "the machine was not started with --hotplug";
	if (vm->cfg->virtio.transport != VIRTIO_PCI)
		return "its virtio devices are on no bus that could tell";
	for (dev = vm->devices; dev; dev = dev->next)
		if (!strcmp(dev->id, id))
			return "the machine has a device of that name";
	return NULL;
}

int plug_add(struct vm *vm, const struct plug_request *request,
	     struct error *err)
{
	const char *why = why_not(vm, request->id);
	struct device *dev;
	int rc;

	if (why) {
		request->release(request->config);
		return error_set(err, EOPNOTSUPP, "cannot plug in %s: %s",
				 request->id, why);
	}
	rc = device_plug(vm, request, &dev, err);
	if (rc)
		return rc;
	log_info(dev->id, "plugged into slot %u", slot_of(dev));
	hotplug_added(vm->hotplug, slot_of(dev));
	return 0;
}

int plug_ask(struct vm *vm, struct device *dev, struct error *err)
{
	if (!vm->hotplug || !can_go(vm, dev))
		return error_set(err, EINVAL,
				 "Device '%s' does not support hotplugging",
				 dev->id);
	/* A guest that boots forgets what it was asked: once more, then. */
	if (!hotplug_ask(vm->hotplug, slot_of(dev)))
		return error_set(err, EALREADY,
				 "Device %s is already in the process of "
				 "unplug",
				 dev->id);
	return 0;
}

/* vCPUs are parked. */
static void take_out(struct vm *vm, struct device *dev)
{
	char id[sizeof(dev->id)];

	memcpy(id, dev->id, sizeof(id));
	hotplug_gone(vm->hotplug, slot_of(dev));
	device_unplug(dev, vm->state == VM_RUNNING);
	log_info(id, "unplugged");
	vm_unplugged(vm, id);
}

static void take_out_all(struct vm *vm, uint32_t slots)
{
	struct device *dev;
	unsigned int slot;

	for (slot = 0; slot < PCI_SLOTS; slot++) {
		dev = slots & 1U << slot ? find_slot(vm, slot) : NULL;
		if (dev)
			take_out(vm, dev);
	}
}

void plug_ejected(struct vm *vm, uint32_t slots)
{
	bool runs = vm->state == VM_RUNNING;

	if (runs)
		vcpus_park(vm);
	take_out_all(vm, slots);
	/* One that has met the debugger: it is about to pause them all. */
	if (runs && vm->state == VM_RUNNING && !vcpus_hit(vm))
		vcpus_run(vm);
}

void plug_reset(struct vm *vm)
{
	if (vm->hotplug)
		take_out_all(vm, hotplug_asked(vm->hotplug));
}
