/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine for tests of devices: real buses, loop and interrupt counting, an
 * accelerator that only remembers.  Included once per program, as it stands in
 * for vm.c.
 */
#ifndef VIREO_TEST_MACHINE_H
#define VIREO_TEST_MACHINE_H

#include "cmocka_unit.h"

#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "device/devices.h"
#include "error.h"
#include "vm.h"

struct machine {
	struct vm vm;
	struct accel accel;
	struct accel_ops ops;
	bool level[IRQ_PINS];
	unsigned int rises[IRQ_PINS];
	unsigned int msis;
	uint64_t msi_addr;
	uint32_t msi_data;
	enum vm_request request;
	unsigned int presses;
	struct bus_hint pio;
	struct bus_hint mmio;
};

static struct machine *to_machine(struct vm *vm)
{
	return (struct machine *)((char *)vm - offsetof(struct machine, vm));
}

void vm_request(struct vm *vm, enum vm_request req)
{
	to_machine(vm)->request = req;
}

void vm_request_by(struct vm *vm, enum vm_request req, enum vm_cause cause)
{
	(void)cause;
	vm_request(vm, req);
}

void vm_power_button(struct vm *vm)
{
	to_machine(vm)->presses++;
}

static int machine_irq_line(struct accel *accel, unsigned int gsi, bool level)
{
	struct machine *m = (struct machine *)((char *)accel -
					       offsetof(struct machine, accel));

	m->level[gsi] = level;
	m->rises[gsi] += level;
	return 0;
}

static int machine_msi(struct accel *accel, uint64_t addr, uint32_t data)
{
	struct machine *m = (struct machine *)((char *)accel -
					       offsetof(struct machine, accel));

	m->msis++;
	m->msi_addr = addr;
	m->msi_data = data;
	return 0;
}

static inline struct machine *machine_new(void)
{
	struct machine *m = calloc(1, sizeof(*m));
	struct error err;

	m->ops.irq_line = machine_irq_line;
	m->ops.msi = machine_msi;
	m->accel.ops = &m->ops;
	m->vm.accel = &m->accel;
	m->vm.fast.vm_fd = -1;
	m->vm.fast.queue_fd = -1;
	m->vm.mem.size = 3ULL << 30;
	bus_init(&m->vm.pio, BUS_PIO);
	bus_init(&m->vm.mmio, BUS_MMIO);
	irqs_init(&m->vm.irqs, &m->accel);
	assert_int_equal(loop_new(&m->vm.loop, &err), 0);
	return m;
}

static inline void machine_free(struct machine *m)
{
	devices_destroy(&m->vm);
	assert_int_equal(m->vm.pio.count, 0);
	assert_int_equal(m->vm.mmio.count, 0);
	loop_free(m->vm.loop);
	irqs_destroy(&m->vm.irqs);
	bus_destroy(&m->vm.mmio);
	bus_destroy(&m->vm.pio);
	free(m);
}

static inline struct device *machine_add(struct machine *m,
					 const struct dev_class *class,
					 const void *config)
{
	struct device *dev;
	struct error err;

	if (device_create(&m->vm, class, 0, config, &dev, &err))
		fail_msg("%s", err.text);
	class->reset(dev);
	return dev;
}

static inline void pump_end(void *loop)
{
	loop_stop(loop);
}

/* Runs the loop for @ms milliseconds. */
static inline void pump(struct loop *loop, unsigned int ms)
{
	struct loop_timer t = { .fn = pump_end, .opaque = loop };

	loop_timer_arm(loop, &t, loop_now() + ms * 1000000ULL);
	assert_int_equal(loop_run(loop), 0);
}

static inline uint32_t in(struct machine *m, uint16_t port, unsigned int size)
{
	return (uint32_t)bus_read(&m->vm.pio, &m->pio, port, size);
}

static inline void out(struct machine *m, uint16_t port, unsigned int size,
		       uint32_t val)
{
	bus_write(&m->vm.pio, &m->pio, port, size, val);
}

static inline uint8_t inb(struct machine *m, uint16_t port)
{
	return (uint8_t)in(m, port, 1);
}

static inline void outb(struct machine *m, uint16_t port, uint8_t val)
{
	out(m, port, 1, val);
}

#endif
