// SPDX-License-Identifier: GPL-2.0-or-later
/* The legacy interface of transitional devices. */
#include "echo.h"
#include "virtio/pci_legacy.h"

#define LEGACY_FEATURES                      \
	((uint32_t)TEST_FEATURE | 1U << 27 | \
	 1U << VIRTIO_RING_F_INDIRECT_DESC | 1U << VIRTIO_RING_F_EVENT_IDX)

static int setup_legacy(void **state)
{
	rig_next_config.virtio.transitional = true;
	return setup(state);
}

static uint64_t io_read(struct rig *rig, unsigned int off, unsigned int size)
{
	struct bus_hint hint = { 0 };

	return bus_read(&rig->vm.pio, &hint, rig_bar(rig, 0) + off, size);
}

static void io_write(struct rig *rig, unsigned int off, unsigned int size,
		     uint64_t val)
{
	struct bus_hint hint = { 0 };

	bus_write(&rig->vm.pio, &hint, rig_bar(rig, 0) + off, size, val);
}

/* A queue of 64 at @page: the used ring is on the second page behind. */
static void legacy_queue(struct rig *rig, unsigned int q, uint32_t page)
{
	memset(rig_mem(rig, (uint64_t)page << 12, 0x3000), 0, 0x3000);
	io_write(rig, VIRTIO_PCI_QUEUE_SEL, 2, q);
	io_write(rig, VIRTIO_PCI_QUEUE_PFN, 4, page);
	assert_int_equal(io_read(rig, VIRTIO_PCI_QUEUE_PFN, 4), page);
}

static void legacy_add(struct rig *rig, uint32_t page)
{
	struct vring_desc *desc = rig_mem(rig, (uint64_t)page << 12, 0x1000);
	struct vring_avail *avail = (void *)(desc + 64);

	desc[0] = (struct vring_desc){ RIG_DATA, 100, VRING_DESC_F_WRITE, 0 };
	avail->ring[avail->idx % 64] = 0;
	__atomic_store_n(&avail->idx, avail->idx + 1, __ATOMIC_RELEASE);
}

static uint16_t legacy_used(struct rig *rig, uint32_t page)
{
	struct vring_used *used =
		rig_mem(rig, ((uint64_t)page << 12) + 0x1000, 0x1000);

	return __atomic_load_n(&used->idx, __ATOMIC_ACQUIRE);
}

static void test_legacy(void **state)
{
	struct rig *rig = *state;
	uint64_t bell;

	assert_int_equal(rig_cfg_read(rig, PCI_DEVICE_ID, 2), 0x1001);
	assert_int_equal(rig_cfg_read(rig, PCI_SUBSYSTEM_ID, 2), 2);
	assert_int_equal(rig_cfg_read(rig, PCI_REVISION_ID, 1), 0);

	assert_int_equal(io_read(rig, VIRTIO_PCI_HOST_FEATURES, 4),
			 LEGACY_FEATURES);
	io_write(rig, VIRTIO_PCI_STATUS, 1, 3);
	assert_int_equal(io_read(rig, VIRTIO_PCI_STATUS, 1), 3);
	io_write(rig, VIRTIO_PCI_GUEST_FEATURES, 4, TEST_FEATURE);
	assert_int_equal(io_read(rig, VIRTIO_PCI_GUEST_FEATURES, 4),
			 TEST_FEATURE);
	assert_int_equal(io_read(rig, 20, 4), 0x11223344);
	assert_int_equal(io_read(rig, 20 + 11, 1), 0x99);
	assert_int_equal(io_read(rig, 20 + 12, 1), 0xff);
	io_write(rig, VIRTIO_PCI_QUEUE_SEL, 2, 2);
	assert_int_equal(io_read(rig, VIRTIO_PCI_QUEUE_NUM, 2), 0);
	io_write(rig, VIRTIO_PCI_QUEUE_PFN, 4, 77);
	io_write(rig, VIRTIO_PCI_QUEUE_SEL, 2, 1);
	assert_int_equal(io_read(rig, VIRTIO_PCI_QUEUE_NUM, 2), 64);
	legacy_queue(rig, 1, 0x40);
	io_write(rig, VIRTIO_PCI_STATUS, 1, 7);
	rig_run(rig);
	assert_int_equal(rig_bells(rig), 1);

	legacy_add(rig, 0x40);
	bell = (rig_bar(rig, 0) + VIRTIO_LEGACY_NOTIFY) << 16 | 1;
	assert_true(rig_ring_bell(rig, bell));
	rig_run(rig);
	assert_int_equal(legacy_used(rig, 0x40), 1);
	assert_true(rig->pin);
	assert_int_equal(io_read(rig, VIRTIO_PCI_ISR, 1), 1);
	assert_false(rig->pin);

	/* With MSI-X there are two registers more, before the configuration. */
	rig_msix_on(rig);
	assert_int_equal(io_read(rig, 24, 4), 0x11223344);
	io_write(rig, VIRTIO_MSI_QUEUE_VECTOR, 2, 1);
	assert_int_equal(io_read(rig, VIRTIO_MSI_QUEUE_VECTOR, 2), 1);
	io_write(rig, VIRTIO_MSI_CONFIG_VECTOR, 2, 7);
	assert_int_equal(io_read(rig, VIRTIO_MSI_CONFIG_VECTOR, 2), 0xffff);
	legacy_add(rig, 0x40);
	io_write(rig, VIRTIO_LEGACY_NOTIFY, 2, 1);
	rig_run(rig);
	assert_int_equal(legacy_used(rig, 0x40), 2);
	assert_int_equal(rig->msis[1], 1);

	/* A reset is done when its write is. */
	legacy_add(rig, 0x40);
	io_write(rig, VIRTIO_PCI_STATUS, 1, 0);
	assert_int_equal(io_read(rig, VIRTIO_PCI_STATUS, 1), 0);
	assert_int_equal(io_read(rig, VIRTIO_PCI_QUEUE_PFN, 4), 0);
	assert_int_equal(rig_bells(rig), 0);

	/* And so is one by taking a queue away. */
	legacy_queue(rig, 0, 0x40);
	io_write(rig, VIRTIO_PCI_STATUS, 1, 7);
	io_write(rig, VIRTIO_PCI_QUEUE_PFN, 4, 0);
	assert_int_equal(io_read(rig, VIRTIO_PCI_STATUS, 1), 0);

	/* A queue is used before DRIVER_OK. */
	legacy_queue(rig, 0, 0x40);
	legacy_add(rig, 0x40);
	io_write(rig, VIRTIO_LEGACY_NOTIFY, 2, 0);
	rig_run(rig);
	assert_int_equal(legacy_used(rig, 0x40), 1);
	io_write(rig, VIRTIO_PCI_STATUS, 1, 7);
	legacy_add(rig, 0x40);
	rig_ring_bell(rig, bell & ~1ULL);
	rig_run(rig);
	assert_int_equal(legacy_used(rig, 0x40), 2);

	/* A bad ring is not hidden from it. */
	legacy_add(rig, 0x40);
	*(uint16_t *)rig_mem(rig, 0x40000 + 64 * 16 + 2, 2) = 1000;
	rig_ring_bell(rig, bell & ~1ULL);
	rig_run(rig);
	assert_int_equal(io_read(rig, VIRTIO_PCI_STATUS, 1), 7 | NEEDS_RESET);
	io_write(rig, VIRTIO_PCI_STATUS, 1, 0);
	assert_int_equal(io_read(rig, VIRTIO_PCI_STATUS, 1), 0);

	/* The modern interface is there all the same. */
	rig_drive(rig, 0);
	io_write(rig, VIRTIO_PCI_QUEUE_SEL, 2, 0);
	rig_add(rig, 0, &one, 1);
	rig_kick(rig, 0);
	assert_int_equal(rig_used(rig, 0, NULL), 1);
	rig_set_status(rig, 0);
	rig_run(rig);
	assert_int_equal(rig_bells(rig), 0);
}

/* In the place of a vCPU: it waits for the loop, which is another thread's. */
static void *legacy_thread(void *opaque)
{
	struct rig *rig = opaque;
	unsigned int i;

	for (i = 0; i < 100; i++) {
		legacy_queue(rig, 0, 0x40);
		io_write(rig, VIRTIO_PCI_STATUS, 1, 7);
		legacy_add(rig, 0x40);
		io_write(rig, VIRTIO_LEGACY_NOTIFY, 2, 0);
		while (i % 2 && !legacy_used(rig, 0x40))
			;
		io_write(rig, VIRTIO_PCI_STATUS, 1, 0);
		if (io_read(rig, VIRTIO_PCI_STATUS, 1))
			break;
	}
	loop_stop(rig->vm.loop);
	return (void *)(uintptr_t)i;
}

static void *pause_thread(void *opaque)
{
	struct rig *rig = opaque;

	legacy_queue(rig, 0, 0x40);
	io_write(rig, VIRTIO_PCI_STATUS, 1, 7);
	io_write(rig, VIRTIO_PCI_STATUS, 1, 0);
	return NULL;
}

static void test_legacy_threads(void **state)
{
	struct rig *rig = *state;
	pthread_t thread;
	void *done;

	pthread_mutex_init(&rig->vm.lock, NULL);
	rig->vm.want = VCPU_RUN;
	assert_int_equal(pthread_create(&thread, NULL, legacy_thread, rig), 0);
	assert_int_equal(loop_run(rig->vm.loop), 0);
	pthread_join(thread, &done);
	assert_int_equal((uintptr_t)done, 100);

	/*
	 * The main thread has other things to do, such as waiting for that
	 * vCPU; the reset is done with the stop.
	 */
	rig->vm.want = VCPU_PARK;
	assert_int_equal(pthread_create(&thread, NULL, pause_thread, rig), 0);
	pthread_join(thread, NULL);
	devices_stop(&rig->vm);
	assert_int_equal(io_read(rig, VIRTIO_PCI_STATUS, 1), 0);
	devices_start(&rig->vm);
	rig_run(rig);
	legacy_queue(rig, 0, 0x40);
	io_write(rig, VIRTIO_PCI_STATUS, 1, 7);
	legacy_add(rig, 0x40);
	io_write(rig, VIRTIO_LEGACY_NOTIFY, 2, 0);
	rig_run(rig);
	assert_int_equal(legacy_used(rig, 0x40), 1);
}

int main(void)
{
#define TEST(fn, setup) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_legacy, setup_legacy),
		TEST(test_legacy_threads, setup_legacy),
	};

	return cmocka_run_group_tests_name("virtio_legacy", tests, NULL, NULL);
}
