/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a device is: a class with a name and a few functions, and an object
 * that begins with struct device.  A device knows bus, irq, virtqueue and
 * loop, and nothing of the VMM beyond.
 *
 * Life:  realize -> start <-> stop -> unrealize
 *                     reset (only while stopped)
 * One that is plugged in lives the same life while the machine runs: plug.h.
 *
 * Locks:
 *   device.lock   mutex   the device's registers and state; taken by the bus
 *                         around read and write, by the device itself in loop
 *                         callbacks; nothing that waits is done under it
 */
#ifndef VIREO_DEVICE_H
#define VIREO_DEVICE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct device;
struct error;
struct plug_request;
struct state_table;
struct vm;

struct dev_class {
	const char *name;
	size_t size; /* of the object, which begins with struct device */

	/*
	 * All or nothing: on failure everything is undone.  @config is the
	 * device's part of struct config, or NULL; the strings in it live as
	 * long as the VM.
	 */
	int (*realize)(struct device *dev, const void *config,
		       struct error *err);
	/*
	 * Makes the device's threads, once: the machine is locked in, and what
	 * needs more than that is done by realize.  May be NULL.  When it fails
	 * the machine does not start.
	 */
	int (*begin)(struct device *dev, struct error *err);
	/* Power-on state.  Called before the first start and at each reset. */
	void (*reset)(struct device *dev);
	/* May be NULL.  stop returns with no I/O in flight. */
	void (*start)(struct device *dev);
	void (*stop)(struct device *dev);
	/*
	 * Of the object, which is stopped.  NULL: the machine can be neither
	 * saved nor loaded.
	 */
	const struct state_table *state;
	/* Undoes realize; cannot fail. */
	void (*unrealize)(struct device *dev);
};

struct device {
	const struct dev_class *class;
	struct vm *vm;
	struct device *next; /* in the order of creation */
	char id[32];	     /* "serial0", "disk1": for logs and people */
	bool plugged;	     /* came while the machine ran */
	unsigned int slot;   /* on its bus, if it is to be in a certain one */
	void *own;	     /* its configuration, where nobody else has it */
	void (*release)(void *own);
	pthread_mutex_t lock;
};

/*
 * Allocates and realizes a device and puts it on the VM's list.
 * @index makes the id unique within the class.
 */
int device_create(struct vm *vm, const struct dev_class *class,
		  unsigned int index, const void *config, struct device **out,
		  struct error *err);
/*
 * The same, and begun, reset and started as the others are: see plug.h, which
 * says what @request is and who may do this when.
 */
int device_plug(struct vm *vm, const struct plug_request *request,
		struct device **out, struct error *err);
/* Stops it, if devices are started, and undoes all of that. */
void device_unplug(struct device *dev, bool started);
/* Of all devices, last created first. */
void devices_destroy(struct vm *vm);
int devices_begin(struct vm *vm, struct error *err);
void devices_reset(struct vm *vm);
void devices_start(struct vm *vm);
void devices_stop(struct vm *vm);

/* devices.c: the visible list of what a configuration creates. */
int devices_create(struct vm *vm, struct error *err);

#endif
