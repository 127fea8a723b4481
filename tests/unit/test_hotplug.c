// SPDX-License-Identifier: GPL-2.0-or-later
/* The registers of ACPI hot-plug, and the life of what comes and goes. */
#include "virtio_rig.h"

#include "device/devices.h"
#include "plug.h"
#include "virtio/virtio_devices.h"

#define UP 0xcc0
#define DOWN 0xcc4
#define EJECT 0xcc8
#define SLOT 7

struct rng_own {
	struct rng_config rng;
	unsigned int *released;
};

struct told {
	struct vm_listener listener;
	struct vm *vm;
	unsigned int gone;
	char id[32];
};

static void on_event(void *opaque, enum vm_event event, enum vm_cause cause)
{
	struct told *told = opaque;

	(void)cause;
	if (event != VM_EVENT_UNPLUGGED)
		return;
	told->gone++;
	strcpy(told->id, told->vm->unplugged);
}

static uint32_t in(struct rig *rig, uint16_t port, unsigned int size)
{
	struct bus_hint hint = { 0 };

	return (uint32_t)bus_read(&rig->vm.pio, &hint, port, size);
}

static void out(struct rig *rig, uint16_t port, unsigned int size, uint32_t val)
{
	struct bus_hint hint = { 0 };

	bus_write(&rig->vm.pio, &hint, port, size, val);
}

/* A machine with a source of random bytes of its own, in slot 1. */
static struct rig *machine(struct told *told)
{
	static const struct rng_config rng = { .present = true };
	struct rig *rig = rig_new(&virtio_rng_class, &rng);
	struct error err;

	assert_int_equal(device_create(&rig->vm, &ich9_lpc_class, 0, NULL, NULL,
				       &err),
			 0);
	assert_int_equal(device_create(&rig->vm, &hotplug_class, 0, NULL, NULL,
				       &err),
			 0);
	devices_reset(&rig->vm);
	rig->vm.state = VM_RUNNING;
	*told = (struct told){ .vm = &rig->vm };
	told->listener.fn = on_event;
	told->listener.opaque = told;
	vm_listen(&rig->vm, &told->listener);
	return rig;
}

static void release(void *opaque)
{
	struct rng_own *own = opaque;

	++*own->released;
	free(own);
}

static int plug(struct rig *rig, const char *id, unsigned int slot,
		unsigned int *released)
{
	struct rng_own *own = calloc(1, sizeof(*own));
	const struct plug_request request = {
		.class = &virtio_rng_class,
		.id = id,
		.slot = slot,
		.config = own,
		.release = release,
	};
	struct error err;

	own->released = released;
	return plug_add(&rig->vm, &request, &err);
}

static struct device *last(struct rig *rig)
{
	struct device *dev = rig->vm.devices;

	while (dev->next)
		dev = dev->next;
	return dev;
}

static uint32_t vendor(struct rig *rig, unsigned int slot)
{
	return pci_config_read(rig->vm.pci, PCI_DEVFN(slot, 0), 0, 2);
}

static void test_registers(void **state)
{
	unsigned int released = 0;
	struct error err;
	struct told told;
	struct rig *rig = machine(&told);

	(void)state;
	out(rig, ICH9_GPE0 + 8, 1, 1U << HOTPLUG_GPE);
	assert_false(rig->pin);
	assert_int_equal(plug(rig, "r", SLOT, &released), 0);
	assert_true(rig->pin);
	assert_int_equal(in(rig, ICH9_GPE0, 1), 1U << HOTPLUG_GPE);
	out(rig, ICH9_GPE0, 1, 1U << HOTPLUG_GPE);
	assert_false(rig->pin);
	assert_int_equal(in(rig, UP, 4), 1U << SLOT);
	assert_int_equal(in(rig, UP, 4), 0);
	assert_int_equal(vendor(rig, SLOT), 0x1af4);
	/* Nowhere, until the guest says where. */
	assert_false(
		((struct pci_dev *)last(rig))->bars[VIRTIO_PCI_BAR].mapped);

	/* Not asked for; and what is no register. */
	out(rig, EJECT, 4, UINT32_MAX);
	out(rig, EJECT, 2, UINT16_MAX);
	out(rig, UP, 4, UINT32_MAX);
	out(rig, DOWN, 4, UINT32_MAX);
	assert_int_equal(in(rig, UP, 1), 0xff);
	assert_int_equal(in(rig, EJECT, 4), 0);
	rig_run(rig);
	assert_int_equal(told.gone, 0);

	assert_int_equal(plug_ask(&rig->vm, last(rig), &err), 0);
	assert_true(rig->pin);
	assert_int_equal(plug_ask(&rig->vm, last(rig), &err), -EALREADY);
	assert_int_equal(in(rig, DOWN, 4), 1U << SLOT);
	assert_int_equal(in(rig, DOWN, 4), 0);
	assert_int_equal(plug_ask(&rig->vm, last(rig), &err), 0);
	out(rig, EJECT, 4, UINT32_MAX);
	out(rig, EJECT, 4, UINT32_MAX);
	rig_run(rig);
	assert_int_equal(told.gone, 1);
	assert_string_equal(told.id, "r");
	assert_int_equal(released, 1);
	assert_int_equal(vendor(rig, SLOT), 0xffff);
	assert_int_equal(vendor(rig, 1), 0x1af4);
	rig_free(rig);
}

/* An eject that was noted before the slot changed hands is not for the new one. */
static void test_twice(void **state)
{
	unsigned int released = 0;
	struct error err;
	struct told told;
	struct rig *rig = machine(&told);

	(void)state;
	assert_int_equal(plug(rig, "old", SLOT, &released), 0);
	assert_int_equal(plug_ask(&rig->vm, last(rig), &err), 0);
	out(rig, EJECT, 4, 1U << SLOT);
	plug_ejected(&rig->vm, 1U << SLOT);
	assert_int_equal(told.gone, 1);
	assert_int_equal(plug(rig, "new", SLOT, &released), 0);
	rig_run(rig);
	assert_int_equal(told.gone, 1);
	assert_string_equal(last(rig)->id, "new");
	rig_free(rig);
	assert_int_equal(released, 2);
}

/* Ejected, or gone with a reset; and nothing is used up by then. */
static void test_life(void **state)
{
	unsigned int released = 0, n;
	struct pci_dev *pci;
	struct error err;
	struct told told;
	struct rig *rig = machine(&told);
	uint64_t home = 0;

	(void)state;
	for (n = 0; n < 1000; n++) {
		assert_int_equal(plug(rig, "r", 0, &released), 0);
		pci = (struct pci_dev *)last(rig);
		if (!n)
			home = pci->bars[VIRTIO_PCI_BAR].home;
		assert_int_equal(pci->bars[VIRTIO_PCI_BAR].home, home);
		/* In use, as after a reset, or not yet found by anybody. */
		if (n % 2)
			pci->dev.class->reset(&pci->dev);
		assert_int_equal(pci->bars[VIRTIO_PCI_BAR].mapped, n % 2);
		assert_int_equal(plug_ask(&rig->vm, &pci->dev, &err), 0);
		if (n % 3)
			plug_ejected(&rig->vm, UINT32_MAX & ~2U);
		else
			plug_reset(&rig->vm);
		assert_int_equal(told.gone, n + 1);
		assert_int_equal(released, n + 1);
	}
	assert_int_equal(vendor(rig, 1), 0x1af4);
	rig_free(rig);
}

static void test_refused(void **state)
{
	unsigned int released = 0;
	struct error err;
	struct told told;
	struct rig *rig = machine(&told);

	(void)state;
	assert_int_equal(plug(rig, "x", 1, &released), -ENOSPC);
	assert_int_equal(plug(rig, "rng0", 0, &released), -EOPNOTSUPP);
	assert_int_equal(released, 2);
	assert_int_equal(plug_ask(&rig->vm, last(rig), &err), -EINVAL);
	plug_ejected(&rig->vm, 1 | 1U << 31);
	assert_int_equal(told.gone, 0);
	assert_int_equal(in(rig, UP, 4), 0);
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_registers),
		cmocka_unit_test(test_twice),
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
