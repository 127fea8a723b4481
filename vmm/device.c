// SPDX-License-Identifier: GPL-2.0-or-later
#include "device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "error.h"
#include "vm.h"

int device_create(struct vm *vm, const struct dev_class *class,
		  unsigned int index, const void *config, struct device **out,
		  struct error *err)
{
	struct device *dev, **end;
	int rc;

	dev = calloc(1, class->size);
	if (!dev)
		return error_sys(err, ENOMEM, "%s%u", class->name, index);
	dev->class = class;
	dev->vm = vm;
	snprintf(dev->id, sizeof(dev->id), "%s%u", class->name, index);
	pthread_mutex_init(&dev->lock, NULL);

	rc = class->realize(dev, config, err);
	if (rc) {
		pthread_mutex_destroy(&dev->lock);
		free(dev);
		return rc;
	}
	for (end = &vm->devices; *end; end = &(*end)->next)
		;
	*end = dev;
	if (out)
		*out = dev;
	return 0;
}

void devices_destroy(struct vm *vm)
{
	struct device *dev, **last;

	while (vm->devices) {
		for (last = &vm->devices; (*last)->next; last = &(*last)->next)
			;
		dev = *last;
		*last = NULL;
		dev->class->unrealize(dev);
		pthread_mutex_destroy(&dev->lock);
		free(dev);
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
