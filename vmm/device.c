// SPDX-License-Identifier: GPL-2.0-or-later
#include "device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "error.h"
#include "plug.h"
#include "vm.h"

static struct device *device_new(struct vm *vm, const struct dev_class *class)
{
	struct device *dev = calloc(1, class->size);

	if (!dev)
		return NULL;
	dev->class = class;
	dev->vm = vm;
	pthread_mutex_init(&dev->lock, NULL);
	return dev;
}

static void device_free(struct device *dev)
{
	if (dev->release)
		dev->release(dev->own);
	pthread_mutex_destroy(&dev->lock);
	free(dev);
}

/* Frees it if that fails. */
static int device_realize(struct device *dev, const void *config,
			  struct error *err)
{
	struct device **end;
	int rc = dev->class->realize(dev, config, err);

	if (rc) {
		device_free(dev);
		return rc;
	}
	for (end = &dev->vm->devices; *end; end = &(*end)->next)
		;
	*end = dev;
	return 0;
}

int device_create(struct vm *vm, const struct dev_class *class,
		  unsigned int index, const void *config, struct device **out,
		  struct error *err)
{
	struct device *dev = device_new(vm, class);
	int rc;

	if (!dev)
		return error_sys(err, ENOMEM, "%s%u", class->name, index);
	snprintf(dev->id, sizeof(dev->id), "%s%u", class->name, index);
	rc = device_realize(dev, config, err);
	if (!rc && out)
		*out = dev;
	return rc;
}

static void device_destroy(struct device *dev)
{
	struct device **p = &dev->vm->devices;

	while (*p != dev)
		p = &(*p)->next;
	*p = dev->next;
	dev->class->unrealize(dev);
	device_free(dev);
}

int device_plug(struct vm *vm, const struct plug_request *request,
		struct device **out, struct error *err)
{
	const struct dev_class *class = request->class;
	struct device *dev = device_new(vm, class);
	int rc;

	if (!dev) {
		request->release(request->config);
		return error_sys(err, ENOMEM, "%s", request->id);
	}
	snprintf(dev->id, sizeof(dev->id), "%s", request->id);
	dev->plugged = true;
	dev->slot = request->slot;
	dev->own = request->config;
	dev->release = request->release;
	rc = device_realize(dev, request->config, err);
	if (rc)
		return rc;
	rc = class->begin ? class->begin(dev, err) : 0;
	if (rc) {
		device_destroy(dev);
		return rc;
	}
	class->reset(dev);
	if (vm->state == VM_RUNNING && class->start)
		class->start(dev);
	*out = dev;
	return 0;
}

void device_unplug(struct device *dev, bool started)
{
	if (started && dev->class->stop)
		dev->class->stop(dev);
	device_destroy(dev);
}

void devices_destroy(struct vm *vm)
{
	struct device *dev;

	while (vm->devices) {
		for (dev = vm->devices; dev->next; dev = dev->next)
			;
		device_destroy(dev);
	}
}

int devices_begin(struct vm *vm, struct error *err)
{
	struct device *dev;
	int rc = 0;

	for (dev = vm->devices; dev && !rc; dev = dev->next)
		if (dev->class->begin)
			rc = dev->class->begin(dev, err);
	return rc;
}

void devices_reset(struct vm *vm)
{
	struct device *dev;

	for (dev = vm->devices; dev; dev = dev->next)
		dev->class->reset(dev);
}

void devices_start(struct vm *vm)
{
	struct device *dev;

	for (dev = vm->devices; dev; dev = dev->next)
		if (dev->class->start)
			dev->class->start(dev);
}

void devices_stop(struct vm *vm)
{
	struct device *dev;

	for (dev = vm->devices; dev; dev = dev->next)
		if (dev->class->stop)
			dev->class->stop(dev);
}
