// SPDX-License-Identifier: GPL-2.0-or-later
/* Virtio devices on no bus. */
#include <linux/virtio_mmio.h>

#include "echo.h"
#include "virtio/mmio.h"

#define STATUS_UP                                               \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | \
	 VIRTIO_CONFIG_S_FEATURES_OK)

static int setup_mmio(void **state)
{
	rig_next_config.virtio.transport = VIRTIO_MMIO;
	return setup(state);
}

static uint64_t rd(struct rig *rig, unsigned int off, unsigned int size)
{
	return bus_read(&rig->vm.mmio, &rig->hint, VIRTIO_MMIO_BASE(0) + off,
			size);
}

static void wr(struct rig *rig, unsigned int off, unsigned int size,
	       uint64_t val)
{
	bus_write(&rig->vm.mmio, &rig->hint, VIRTIO_MMIO_BASE(0) + off, size,
		  val);
}

static void queue(struct rig *rig, unsigned int q)
{
	memset(rig_mem(rig, RIG_DESC(q), 0x4000), 0, 0x4000);
	rig->next_desc[q] = 0;
	rig->used_seen[q] = 0;
	wr(rig, VIRTIO_MMIO_QUEUE_SEL, 4, q);
	wr(rig, VIRTIO_MMIO_QUEUE_NUM, 4, RIG_NUM);
	wr(rig, VIRTIO_MMIO_QUEUE_DESC_LOW, 4, RIG_DESC(q));
	wr(rig, VIRTIO_MMIO_QUEUE_DESC_HIGH, 4, 0);
	wr(rig, VIRTIO_MMIO_QUEUE_AVAIL_LOW, 4, RIG_AVAIL(q));
	wr(rig, VIRTIO_MMIO_QUEUE_AVAIL_HIGH, 4, 0);
	wr(rig, VIRTIO_MMIO_QUEUE_USED_LOW, 4, RIG_USED(q));
	wr(rig, VIRTIO_MMIO_QUEUE_USED_HIGH, 4, 0);
	wr(rig, VIRTIO_MMIO_QUEUE_READY, 4, 1);
	assert_int_equal(rd(rig, VIRTIO_MMIO_QUEUE_READY, 4), 1);
}

static void drive(struct rig *rig, uint64_t features)
{
	unsigned int i;

	wr(rig, VIRTIO_MMIO_STATUS, 4, 0);
	assert_int_equal(rd(rig, VIRTIO_MMIO_STATUS, 4), 0);
	for (i = 0; i < 2; i++) {
		wr(rig, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 4, i);
		wr(rig, VIRTIO_MMIO_DRIVER_FEATURES, 4,
		   (features | RIG_FEATURES) >> 32 * i);
	}
	wr(rig, VIRTIO_MMIO_STATUS, 4, STATUS_UP);
	assert_int_equal(rd(rig, VIRTIO_MMIO_STATUS, 4), STATUS_UP);
	queue(rig, 0);
	queue(rig, 1);
	wr(rig, VIRTIO_MMIO_STATUS, 4, STATUS_UP | OK);
	rig_run(rig);
}

/* All doorbells are at one address: the first one that is found is rung. */
static void ring_bell(struct rig *rig, unsigned int q)
{
	assert_true(
		rig_ring_bell(rig,
			      (VIRTIO_MMIO_BASE(0) + VIRTIO_MMIO_QUEUE_NOTIFY)
					      << 16 |
				      q));
	rig_run(rig);
}

static void test_registers(void **state)
{
	struct rig *rig = *state;
	uint64_t offered;

	assert_int_equal(rd(rig, VIRTIO_MMIO_MAGIC_VALUE, 4), 0x74726976);
	assert_int_equal(rd(rig, VIRTIO_MMIO_VERSION, 4), 2);
	assert_int_equal(rd(rig, VIRTIO_MMIO_DEVICE_ID, 4), 2);
	wr(rig, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 4, 1);
	offered = rd(rig, VIRTIO_MMIO_DEVICE_FEATURES, 4) << 32;
	wr(rig, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 4, 0);
	offered |= rd(rig, VIRTIO_MMIO_DEVICE_FEATURES, 4);
	assert_true(offered & RIG_FEATURES);
	assert_true(offered & TEST_FEATURE);
	assert_int_equal(rd(rig, VIRTIO_MMIO_SHM_LEN_LOW, 4), UINT32_MAX);
	assert_int_equal(rd(rig, VIRTIO_MMIO_CONFIG + 4, 4), 0x55667788);
	assert_int_equal(rd(rig, VIRTIO_MMIO_CONFIG + 11, 1), 0x99);
	assert_int_equal(rd(rig, VIRTIO_MMIO_CONFIG + 12, 1), 0xff);
	wr(rig, VIRTIO_MMIO_CONFIG, 4, 0);
	assert_int_equal(rd(rig, VIRTIO_MMIO_CONFIG, 4), 0x11223344);

	wr(rig, VIRTIO_MMIO_QUEUE_SEL, 4, 2);
	assert_int_equal(rd(rig, VIRTIO_MMIO_QUEUE_NUM_MAX, 4), 0);
	assert_int_equal(rd(rig, VIRTIO_MMIO_QUEUE_READY, 4), 0);
	wr(rig, VIRTIO_MMIO_QUEUE_SEL, 4, 1);
	assert_int_equal(rd(rig, VIRTIO_MMIO_QUEUE_NUM_MAX, 4), 64);
	queue(rig, 1);
	wr(rig, VIRTIO_MMIO_QUEUE_READY, 4, 0);
	assert_int_equal(rd(rig, VIRTIO_MMIO_QUEUE_READY, 4), 0);

	/* Features that were not offered. */
	wr(rig, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 4, 0);
	wr(rig, VIRTIO_MMIO_DRIVER_FEATURES, 4, UINT32_MAX);
	wr(rig, VIRTIO_MMIO_STATUS, 4, STATUS_UP);
	assert_int_equal(rd(rig, VIRTIO_MMIO_STATUS, 4),
			 STATUS_UP & ~VIRTIO_CONFIG_S_FEATURES_OK);
}

static void test_requests(void **state)
{
	struct rig *rig = *state;

	drive(rig, 0);
	assert_int_equal(rig_bells(rig), 2);
	rig_add(rig, 1, &one, 1);
	ring_bell(rig, 1);
	assert_int_equal(rig_used(rig, 1, NULL), 1);
	assert_true(rig->pin);
	assert_int_equal(rd(rig, VIRTIO_MMIO_INTERRUPT_STATUS, 4), 1);
	wr(rig, VIRTIO_MMIO_INTERRUPT_ACK, 4, 2);
	assert_true(rig->pin);
	wr(rig, VIRTIO_MMIO_INTERRUPT_ACK, 4, 1);
	assert_false(rig->pin);

	rig_add(rig, 0, &one, 1);
	wr(rig, VIRTIO_MMIO_QUEUE_NOTIFY, 4, 0);
	wr(rig, VIRTIO_MMIO_QUEUE_NOTIFY, 4, 77);
	rig_run(rig);
	assert_int_equal(rig_used(rig, 0, NULL), 1);

	/* A reset is done when its write is, and lowers the pin. */
	rig_add(rig, 0, &one, 1);
	wr(rig, VIRTIO_MMIO_STATUS, 4, 0);
	assert_int_equal(rd(rig, VIRTIO_MMIO_STATUS, 4), 0);
	assert_int_equal(rig_bells(rig), 0);
	assert_false(rig->pin);
}

static void test_broken(void **state)
{
	struct rig *rig = *state;

	drive(rig, 0);
	((struct vring_avail *)rig_mem(rig, RIG_AVAIL(0), 6))->idx = 1000;
	ring_bell(rig, 0);
	assert_true(rd(rig, VIRTIO_MMIO_STATUS, 4) & NEEDS_RESET);
	assert_int_equal(rd(rig, VIRTIO_MMIO_INTERRUPT_STATUS, 4), 2);
	drive(rig, 0);
	rig_add(rig, 0, &one, 1);
	ring_bell(rig, 0);
	assert_int_equal(rig_used(rig, 0, NULL), 1);
}

static void test_queue_reset(void **state)
{
	struct rig *rig = *state;

	drive(rig, 1ULL << 40);
	wr(rig, VIRTIO_MMIO_QUEUE_SEL, 4, 1);
	wr(rig, 0xc0, 4, 1);
	assert_int_equal(rd(rig, 0xc0, 4), 1);
	rig_run(rig);
	assert_int_equal(rd(rig, 0xc0, 4), 0);
	assert_int_equal(rd(rig, VIRTIO_MMIO_QUEUE_READY, 4), 0);
	assert_int_equal(rig_bells(rig), 1);
	queue(rig, 1);
	rig_run(rig);
	rig_add(rig, 1, &one, 1);
	ring_bell(rig, 1);
	assert_int_equal(rig_used(rig, 1, NULL), 1);
}

static void test_machine_reset(void **state)
{
	struct rig *rig = *state;

	drive(rig, 0);
	rig_add(rig, 0, &one, 1);
	ring_bell(rig, 0);
	assert_true(rig->pin);
	devices_stop(&rig->vm);
	devices_reset(&rig->vm);
	assert_false(rig->pin);
	assert_int_equal(rig_bells(rig), 0);
	devices_start(&rig->vm);
	assert_int_equal(rd(rig, VIRTIO_MMIO_STATUS, 4), 0);
}

/* Anything, everywhere, in every width. */
static void test_all_registers(void **state)
{
	struct rig *rig = *state;
	uint32_t seed = 1;
	unsigned int i;

	for (i = 0; i < 20000; i++) {
		seed = seed * 1664525 + 1013904223;
		wr(rig,
		   (seed >> 8) % (i % 8 ? 0x100 : 0xff8) & ~(i % 4 ? 3U : 0U),
		   i % 5 ? 4 : 1U << (seed >> 28 & 3),
		   seed & 0x8000 ? seed >> 24 & 0x1f : seed);
		rd(rig, (seed >> 4) % 0xff8, 1U << (seed >> 26 & 3));
		if (i % 1000 == 0)
			rig_run(rig);
	}
	drive(rig, 0);
	rig_add(rig, 0, &one, 1);
	ring_bell(rig, 0);
	assert_int_equal(rig_used(rig, 0, NULL), 1);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup_mmio, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_registers),	  TEST(test_requests),
		TEST(test_broken),	  TEST(test_queue_reset),
		TEST(test_machine_reset), TEST(test_all_registers),
	};

	return cmocka_run_group_tests_name("virtio_mmio", tests, NULL, NULL);
}
