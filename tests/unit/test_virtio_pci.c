// SPDX-License-Identifier: GPL-2.0-or-later
/* The core and the PCI transport, with a device that gives chains back. */
#include "echo.h"

static void test_identity(void **state)
{
	struct rig *rig = *state;
	unsigned int cap;

	assert_int_equal(rig_cfg_read(rig, PCI_VENDOR_ID, 2), 0x1af4);
	assert_int_equal(rig_cfg_read(rig, PCI_DEVICE_ID, 2), 0x1040 + 2);
	assert_int_equal(rig_cfg_read(rig, PCI_REVISION_ID, 1), 1);
	assert_int_equal(rig_cfg_read(rig, PCI_INTERRUPT_PIN, 1), 1);

	cap = rig_cap(rig, PCI_CAP_ID_VNDR, VIRTIO_PCI_CAP_COMMON_CFG);
	assert_int_not_equal(cap, 0);
	assert_int_equal(rig_cfg_read(rig, cap + VIRTIO_PCI_CAP_BAR, 1), 4);
	assert_int_equal(rig_cfg_read(rig, cap + VIRTIO_PCI_CAP_OFFSET, 4), 0);
	cap = rig_cap(rig, PCI_CAP_ID_VNDR, VIRTIO_PCI_CAP_DEVICE_CFG);
	assert_int_equal(rig_cfg_read(rig, cap + VIRTIO_PCI_CAP_LENGTH, 4), 12);
	cap = rig_cap(rig, PCI_CAP_ID_VNDR, VIRTIO_PCI_CAP_NOTIFY_CFG);
	/* Ports first, and the next one in memory. */
	assert_int_equal(rig_cfg_read(rig, cap + VIRTIO_PCI_CAP_BAR, 1), 2);
	assert_int_equal(rig_cfg_read(rig, cap + VIRTIO_PCI_NOTIFY_CAP_MULT, 4),
			 VIRTIO_PCI_BELL_STEP);
	assert_int_equal(rig_cfg_read(rig, cap + VIRTIO_PCI_CAP_LENGTH, 4), 4);
	assert_int_equal(rig_cfg_read(rig, cap + VIRTIO_PCI_CAP_LEN, 1), 20);
	cap = rig_cfg_read(rig, cap + 1, 1);
	assert_int_equal(rig_cfg_read(rig, cap + VIRTIO_PCI_CAP_CFG_TYPE, 1),
			 VIRTIO_PCI_CAP_NOTIFY_CFG);
	assert_int_equal(rig_cfg_read(rig, cap + VIRTIO_PCI_CAP_BAR, 1), 4);
	assert_int_equal(rig_cfg_read(rig, cap + VIRTIO_PCI_NOTIFY_CAP_MULT, 4),
			 VIRTIO_PCI_NOTIFY_STEP);
	assert_int_equal(rig_cfg_read(rig, cap + VIRTIO_PCI_CAP_LEN, 1), 20);
	assert_int_not_equal(rig_cap(rig, PCI_CAP_ID_VNDR,
				     VIRTIO_PCI_CAP_ISR_CFG),
			     0);
	assert_int_equal(rig_read(rig, VIRTIO_PCI_COMMON_NUMQ, 2), 2);
	assert_int_equal(rig_read(rig, VIRTIO_PCI_DEVICE + 4, 4), 0x55667788);
	assert_int_equal(rig_read(rig, VIRTIO_PCI_DEVICE + 11, 1), 0x99);
	/* Beyond the end there is nothing. */
	assert_int_equal(rig_read(rig, VIRTIO_PCI_DEVICE + 12, 4), UINT32_MAX);
	assert_int_equal(rig_read(rig, VIRTIO_PCI_DEVICE + 8, 8), UINT64_MAX);
	assert_int_equal(rig_read(rig, VIRTIO_PCI_DEVICE + 0xff8, 8),
			 UINT64_MAX);
	rig_write(rig, VIRTIO_PCI_DEVICE, 4, 0);
	assert_int_equal(rig_read(rig, VIRTIO_PCI_DEVICE, 4), 0x11223344);
}

static void test_features(void **state)
{
	struct rig *rig = *state;
	uint64_t offered;

	rig_write(rig, VIRTIO_PCI_COMMON_DFSELECT, 4, 1);
	offered = rig_read(rig, VIRTIO_PCI_COMMON_DF, 4) << 32;
	rig_write(rig, VIRTIO_PCI_COMMON_DFSELECT, 4, 0);
	offered |= rig_read(rig, VIRTIO_PCI_COMMON_DF, 4);
	assert_int_equal(offered, RIG_FEATURES | TEST_FEATURE |
					  1ULL << VIRTIO_RING_F_INDIRECT_DESC |
					  1ULL << VIRTIO_RING_F_EVENT_IDX |
					  1ULL << 40 /* RING_RESET */);
	rig_write(rig, VIRTIO_PCI_COMMON_DFSELECT, 4, 2);
	assert_int_equal(rig_read(rig, VIRTIO_PCI_COMMON_DF, 4), 0);

	/* One that was not offered, or no VERSION_1: refused. */
	rig_negotiate(rig, RIG_FEATURES | 1ULL << 5);
	assert_false(rig_status(rig) & VIRTIO_CONFIG_S_FEATURES_OK);
	rig_negotiate(rig, TEST_FEATURE);
	assert_false(rig_status(rig) & VIRTIO_CONFIG_S_FEATURES_OK);
	rig_negotiate(rig, RIG_FEATURES | TEST_FEATURE);
	assert_true(rig_status(rig) & VIRTIO_CONFIG_S_FEATURES_OK);
	/* Settled: what comes now changes nothing. */
	rig_write(rig, VIRTIO_PCI_COMMON_GFSELECT, 4, 0);
	rig_write(rig, VIRTIO_PCI_COMMON_GF, 4, 0);
	assert_int_equal(rig_read(rig, VIRTIO_PCI_COMMON_GF, 4), TEST_FEATURE);
}

static void test_queue_registers(void **state)
{
	struct rig *rig = *state;

	rig_negotiate(rig, RIG_FEATURES);
	rig_write(rig, VIRTIO_PCI_COMMON_Q_SELECT, 2, 2);
	assert_int_equal(rig_read(rig, VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
	rig_write(rig, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
	assert_int_equal(rig_read(rig, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	rig_write(rig, VIRTIO_PCI_COMMON_Q_MSIX, 2, 0);

	rig_write(rig, VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
	assert_int_equal(rig_read(rig, VIRTIO_PCI_COMMON_Q_SIZE, 2), 64);
	assert_int_equal(rig_read(rig, VIRTIO_PCI_COMMON_Q_NOFF, 2), 1);
	rig_write(rig, VIRTIO_PCI_COMMON_Q_SIZE, 2, 128);
	assert_int_equal(rig_read(rig, VIRTIO_PCI_COMMON_Q_SIZE, 2), 64);
	rig_write(rig, VIRTIO_PCI_COMMON_Q_MSIX, 2, 2);
	assert_int_equal(rig_read(rig, VIRTIO_PCI_COMMON_Q_MSIX, 2), 2);
	rig_write(rig, VIRTIO_PCI_COMMON_Q_MSIX, 2, 3);
	assert_int_equal(rig_read(rig, VIRTIO_PCI_COMMON_Q_MSIX, 2),
			 VIRTIO_NO_VECTOR);
	rig_write(rig, VIRTIO_PCI_COMMON_Q_USEDHI, 4, 7);
	rig_write(rig, VIRTIO_PCI_COMMON_Q_USEDLO, 4, 0x1234);
	assert_int_equal(rig_read(rig, VIRTIO_PCI_COMMON_Q_USEDHI, 4), 7);
	assert_int_equal(rig_read(rig, VIRTIO_PCI_COMMON_Q_USEDLO, 8),
			 0x700001234);
	rig_write(rig, VIRTIO_PCI_COMMON_Q_USEDLO, 8, 0x900005678);
	assert_int_equal(rig_read(rig, VIRTIO_PCI_COMMON_Q_USEDHI, 4), 9);

	/* Frozen while enabled, gone after a reset. */
	rig_queue(rig, 1);
	rig_write(rig, VIRTIO_PCI_COMMON_Q_DESCLO, 4, 0x5000);
	assert_int_equal(rig_read(rig, VIRTIO_PCI_COMMON_Q_DESCLO, 4),
			 RIG_DESC(1));
	rig_set_status(rig, 0);
	assert_int_equal(rig_status(rig), 0);
	rig_write(rig, VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
	assert_int_equal(rig_read(rig, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	assert_int_equal(rig_read(rig, VIRTIO_PCI_COMMON_Q_DESCLO, 4), 0);
	assert_int_equal(rig_read(rig, VIRTIO_PCI_COMMON_Q_MSIX, 2),
			 VIRTIO_NO_VECTOR);
}

static void test_msix(void **state)
{
	struct rig *rig = *state;
	struct vring_used_elem elem = { 0 };
	uint16_t head;

	rig_drive(rig, 0);
	assert_int_equal(rig_bells(rig), 2);
	head = rig_add(rig, 1, &one, 1);
	rig_kick(rig, 1);
	assert_int_equal(rig_used(rig, 1, &elem), 1);
	assert_int_equal(elem.id, head);
	assert_int_equal(elem.len, 100);
	assert_int_equal(rig->msis[1], 1);
	assert_int_equal(rig->msis[0], 0);
	assert_false(rig->pin);
	assert_int_equal(rig_read(rig, VIRTIO_PCI_ISR_STATUS, 1), 0);
	/* A doorbell without work costs no interrupt. */
	rig_kick(rig, 1);
	assert_int_equal(rig->msis[1], 1);
}

/* Reading an ISR status of 0 takes no lock, and no exit with the module. */
static bool isr_is_fast(struct rig *rig)
{
	struct fast_value v = fast_rules_peek(&echo_of(rig)->vpci.fast,
					      VIRTIO_PCI_ISR_STATUS, 1);

	return v.known && !v.val;
}

static void test_intx(void **state)
{
	struct rig *rig = *state;

	assert_true(isr_is_fast(rig));
	rig_negotiate(rig, RIG_FEATURES);
	rig_queue(rig, 0);
	rig_driver_ok(rig);
	rig_run(rig);
	rig_add(rig, 0, &one, 1);
	rig_kick(rig, 0);
	assert_int_equal(rig_used(rig, 0, NULL), 1);
	assert_true(rig->pin);
	assert_false(isr_is_fast(rig));
	assert_int_equal(rig_read(rig, VIRTIO_PCI_ISR_STATUS, 1), 1);
	assert_false(rig->pin);
	assert_true(isr_is_fast(rig));
	assert_int_equal(rig_read(rig, VIRTIO_PCI_ISR_STATUS, 1), 0);

	/* A reset lowers the pin. */
	rig_add(rig, 0, &one, 1);
	rig_kick(rig, 0);
	assert_true(rig->pin);
	rig_set_status(rig, 0);
	rig_run(rig);
	assert_false(rig->pin);
}

/* Many chains: in portions, all of them, and one kick does it. */
static void test_budget(void **state)
{
	struct rig *rig = *state;
	unsigned int i;

	rig_drive(rig, 0);
	echo_of(rig)->served = 0;
	for (i = 0; i < 2 * TEST_BUDGET + 1; i++)
		rig_add(rig, 0, &one, 1);
	rig_kick(rig, 0);
	assert_int_equal(rig_used(rig, 0, NULL), 2 * TEST_BUDGET + 1);
	assert_int_equal(echo_of(rig)->served, 3);
	assert_int_equal(rig->msis[0], 3);
}

static void test_early_kick(void **state)
{
	struct rig *rig = *state;

	rig_write(rig, VIRTIO_PCI_NOTIFY, 2, 0);
	rig_write(rig, VIRTIO_PCI_NOTIFY + 0xffc, 2, 0);
	rig_msix_on(rig);
	rig_negotiate(rig, RIG_FEATURES);
	rig_queue(rig, 0);
	rig_add(rig, 0, &one, 1);
	rig_kick(rig, 0);
	assert_int_equal(echo_of(rig)->served, 0);
	assert_int_equal(rig_used(rig, 0, NULL), 0);

	/* What was added before DRIVER_OK is found with it. */
	rig_driver_ok(rig);
	rig_run(rig);
	assert_int_equal(rig_used(rig, 0, NULL), 1);
	/* Queue 1 was not enabled, so it cannot be rung. */
	assert_int_equal(rig_bells(rig), 1);
	rig_kick(rig, 1);
	rig_write(rig, VIRTIO_PCI_NOTIFY + 4 * 31, 2, 31);
	rig_run(rig);
	assert_false(rig_status(rig) & NEEDS_RESET);
}

/* Without eventfds doorbells come over the bus. */
static void test_bus_doorbell(void **state)
{
	struct rig *rig = *state;

	rig->no_bells = true;
	rig_drive(rig, 0);
	assert_int_equal(rig_bells(rig), 0);
	rig_add(rig, 0, &one, 1);
	rig_kick(rig, 0);
	assert_int_equal(rig_used(rig, 0, NULL), 1);
}

/* Ports, where the guest decodes them; else addresses. */
static void test_bar_moves(void **state)
{
	struct rig *rig = *state;
	uint64_t old = rig_bar(rig, VIRTIO_PCI_BAR), new = old + 0x100000;
	uint64_t port = rig_bar(rig, VIRTIO_PCI_BAR_BELL);

	rig_drive(rig, 0);
	assert_int_equal(rig->bells[0].addr, port);
	assert_int_equal(rig->bells[1].addr, port + VIRTIO_PCI_BELL_STEP);
	rig_cfg_write(rig, PCI_BASE_ADDRESS_2, 4, 0x3000);
	assert_int_equal(rig_bar(rig, VIRTIO_PCI_BAR_BELL), 0x3000);
	assert_int_equal(rig_bells(rig), 2);
	assert_int_equal(rig->bells[0].addr, 0x3000);
	rig_add(rig, 0, &one, 1);
	rig_kick(rig, 0);
	assert_int_equal(rig_used(rig, 0, NULL), 1);

	rig_cfg_write(rig, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_int_equal(rig_bells(rig), 2);
	assert_int_equal(rig->bells[0].addr, old + VIRTIO_PCI_NOTIFY);
	rig_cfg_write(rig, PCI_BASE_ADDRESS_4, 4, (uint32_t) new);
	assert_int_equal(rig_bar(rig, VIRTIO_PCI_BAR), new);
	assert_int_equal(rig_bells(rig), 2);
	assert_int_equal(rig->bells[0].addr, new + VIRTIO_PCI_NOTIFY);
	rig_add(rig, 0, &one, 1);
	rig_kick(rig, 0);
	assert_int_equal(rig_used(rig, 0, NULL), 1);

	rig_cfg_write(rig, PCI_COMMAND, 2, 0);
	assert_int_equal(rig_bells(rig), 0);
	rig_cfg_write(rig, PCI_COMMAND, 2, PCI_COMMAND_IO);
	assert_int_equal(rig_bells(rig), 2);
	assert_int_equal(rig->bells[0].addr, 0x3000);
	rig_cfg_write(rig, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
	assert_int_equal(rig_bells(rig), 2);
	/* The other one goes through the bus. */
	rig_add(rig, 0, &one, 1);
	rig_write(rig, VIRTIO_PCI_NOTIFY, 2, 0);
	rig_run(rig);
	assert_int_equal(rig_used(rig, 0, NULL), 1);

	rig_set_status(rig, 0);
	rig_run(rig);
	assert_int_equal(rig_bells(rig), 0);
	rig_cfg_write(rig, PCI_COMMAND, 2, 0);
	rig_cfg_write(rig, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
	assert_int_equal(rig_bells(rig), 0);
}

/* The driver sees its old status until the loop has let go of the rings. */
static void test_reset(void **state)
{
	struct rig *rig = *state;
	unsigned int resets;

	rig_drive(rig, 0);
	resets = echo_of(rig)->resets;
	rig_add(rig, 0, &one, 1);
	rig_set_status(rig, 0);
	assert_true(rig_status(rig) & OK);
	rig_set_status(rig, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	rig_write(rig, VIRTIO_PCI_NOTIFY, 2, 0);
	rig_run(rig);
	assert_int_equal(rig_status(rig), 0);
	assert_int_equal(echo_of(rig)->resets, resets + 1);
	assert_int_equal(rig_used(rig, 0, NULL), 0);

	rig_drive(rig, 0);
	rig_add(rig, 0, &one, 1);
	rig_kick(rig, 0);
	assert_int_equal(rig_used(rig, 0, NULL), 1);
}

static void test_machine_reset(void **state)
{
	struct rig *rig = *state;

	rig_drive(rig, 0);
	rig_add(rig, 0, &one, 1);
	rig_write(rig, VIRTIO_PCI_NOTIFY, 2, 0);
	devices_stop(&rig->vm);
	rig_run(rig);
	assert_int_equal(rig_used(rig, 0, NULL), 0);
	devices_reset(&rig->vm);
	assert_int_equal(rig_bells(rig), 0);
	devices_start(&rig->vm);
	rig_run(rig);
	assert_int_equal(rig_status(rig), 0);
	assert_int_equal(rig_used(rig, 0, NULL), 0);
	rig_drive(rig, 0);
	rig_add(rig, 0, &one, 1);
	rig_kick(rig, 0);
	assert_int_equal(rig_used(rig, 0, NULL), 1);
}

/* A stop keeps what it finds, by either kind of doorbell. */
static void test_stop(void **state)
{
	struct rig *rig = *state;

	rig_drive(rig, 0);
	devices_stop(&rig->vm);
	rig_add(rig, 0, &one, 1);
	rig_kick(rig, 0);
	rig_add(rig, 1, &one, 1);
	rig_write(rig, VIRTIO_PCI_NOTIFY + 4, 2, 1);
	rig_run(rig);
	assert_int_equal(rig_used(rig, 0, NULL), 0);
	assert_int_equal(rig_used(rig, 1, NULL), 0);
	devices_start(&rig->vm);
	rig_run(rig);
	assert_int_equal(rig_used(rig, 0, NULL), 1);
	assert_int_equal(rig_used(rig, 1, NULL), 1);

	/* So does a reset that the driver asks for. */
	devices_stop(&rig->vm);
	rig_set_status(rig, 0);
	rig_run(rig);
	assert_int_not_equal(rig_status(rig), 0);
	devices_start(&rig->vm);
	rig_run(rig);
	assert_int_equal(rig_status(rig), 0);
}

static void test_broken(void **state)
{
	struct rig *rig = *state;
	struct vring_avail *avail;

	rig_drive(rig, 0);
	avail = rig_mem(rig, RIG_AVAIL(0), 6);
	avail->idx = 1000;
	rig_kick(rig, 0);
	assert_true(rig_status(rig) & NEEDS_RESET);
	assert_int_equal(rig->msis[BOTH_QUEUES], 1);
	assert_false(isr_is_fast(rig));
	assert_int_equal(rig_read(rig, VIRTIO_PCI_ISR_STATUS, 1), 2);
	/* No queue is served any more, and no bit can be cleared. */
	rig_add(rig, 1, &one, 1);
	rig_kick(rig, 1);
	assert_int_equal(rig_used(rig, 1, NULL), 0);
	rig_set_status(rig, OK);
	assert_true(rig_status(rig) & NEEDS_RESET);
	assert_int_equal(rig->msis[BOTH_QUEUES], 1);

	rig_drive(rig, 0);
	assert_false(rig_status(rig) & NEEDS_RESET);
	rig_add(rig, 1, &one, 1);
	rig_kick(rig, 1);
	assert_int_equal(rig_used(rig, 1, NULL), 1);
}

static void test_bad_start(void **state)
{
	struct rig *rig = *state;

	rig_msix_on(rig);
	rig_negotiate(rig, RIG_FEATURES);
	rig_write(rig, VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	rig_write(rig, VIRTIO_PCI_COMMON_Q_DESCHI, 4, 0xffffffff);
	rig_write(rig, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
	rig_driver_ok(rig);
	assert_true(rig_status(rig) & NEEDS_RESET);
	rig_kick(rig, 0);
	assert_int_equal(echo_of(rig)->served, 0);

	rig_set_status(rig, 0);
	rig_run(rig);
	assert_int_equal(rig_status(rig), 0);
	rig_set_status(rig, OK);
	assert_true(rig_status(rig) & NEEDS_RESET);
	rig_negotiate(rig, RIG_FEATURES);
	assert_false(rig_status(rig) & NEEDS_RESET);
}

static void test_config_change(void **state)
{
	struct rig *rig = *state;
	struct virtio_dev *vdev = &echo_of(rig)->vpci.vdev;
	uint64_t generation = rig_read(rig, VIRTIO_PCI_COMMON_CFGGENERATION, 1);

	rig_drive(rig, 0);
	pthread_mutex_lock(&rig->dev->lock);
	echo_of(rig)->config[0] = 5;
	virtio_config_changed(vdev);
	pthread_mutex_unlock(&rig->dev->lock);
	assert_int_equal(rig->msis[BOTH_QUEUES], 1);
	assert_int_equal(rig_read(rig, VIRTIO_PCI_DEVICE, 4), 5);
	assert_int_equal(rig_read(rig, VIRTIO_PCI_COMMON_CFGGENERATION, 1),
			 generation + 1);
}

#define RING_RESET (1ULL << 40)
#define Q_RESET 58

static void test_queue_reset(void **state)
{
	struct rig *rig = *state;
	struct echo *echo = echo_of(rig);
	unsigned int resets;

	/* Not negotiated: there is no such register. */
	rig_drive(rig, 0);
	rig_write(rig, VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
	rig_write(rig, Q_RESET, 2, 1);
	rig_run(rig);
	assert_int_equal(rig_read(rig, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);

	rig_drive(rig, RING_RESET);
	resets = echo->resets;
	rig_add(rig, 0, &one, 1);
	rig_add(rig, 1, &one, 1);
	rig_write(rig, VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
	rig_write(rig, Q_RESET, 2, 1);
	assert_int_equal(rig_read(rig, Q_RESET, 2), 1);
	/* Nothing can be set up until its loop has let go of it. */
	rig_write(rig, VIRTIO_PCI_COMMON_Q_DESCLO, 4, 0x5000);
	rig_run(rig);
	assert_int_equal(rig_read(rig, Q_RESET, 2), 0);
	assert_int_equal(rig_read(rig, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	assert_int_equal(rig_read(rig, VIRTIO_PCI_COMMON_Q_DESCLO, 4), 0);
	assert_int_equal(rig_bells(rig), 1);
	assert_int_equal(echo->queue_resets[1], 1);
	assert_int_equal(echo->queue_resets[0], 0);
	assert_int_equal(echo->resets, resets);
	rig_write(rig, VIRTIO_PCI_NOTIFY + 4, 2, 1);
	rig_run(rig);
	assert_int_equal(rig_used(rig, 1, NULL), 0);

	/* The other one works on, and this one when it is enabled again. */
	rig_kick(rig, 0);
	assert_int_equal(rig_used(rig, 0, NULL), 1);
	rig_queue(rig, 1);
	rig_run(rig);
	assert_int_equal(rig_bells(rig), 2);
	rig_add(rig, 1, &one, 1);
	rig_kick(rig, 1);
	assert_int_equal(rig_used(rig, 1, NULL), 1);
	assert_false(rig_status(rig) & NEEDS_RESET);

	/* A reset of all while one is on its way. */
	rig_write(rig, Q_RESET, 2, 1);
	rig_set_status(rig, 0);
	rig_run(rig);
	assert_int_equal(rig_status(rig), 0);
	rig_drive(rig, RING_RESET);
	rig_add(rig, 1, &one, 1);
	rig_kick(rig, 1);
	assert_int_equal(rig_used(rig, 1, NULL), 1);

	/* Enabled again where no ring can be. */
	rig_write(rig, VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
	rig_write(rig, Q_RESET, 2, 1);
	rig_run(rig);
	rig_write(rig, VIRTIO_PCI_COMMON_Q_DESCHI, 4, 0xffffffff);
	rig_write(rig, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
	assert_true(rig_status(rig) & NEEDS_RESET);
	/* Before DRIVER_OK there is nothing to wait for. */
	rig_negotiate(rig, RIG_FEATURES | RING_RESET);
	rig_queue(rig, 1);
	rig_write(rig, Q_RESET, 2, 1);
	assert_int_equal(rig_read(rig, Q_RESET, 2), 0);
	assert_int_equal(rig_read(rig, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
}

/* The window through configuration space. */
static void test_cfg_window(void **state)
{
	struct rig *rig = *state;
	unsigned int cap =
		rig_cap(rig, PCI_CAP_ID_VNDR, VIRTIO_PCI_CAP_PCI_CFG);
	unsigned int data = cap + sizeof(struct virtio_pci_cap);

	assert_int_not_equal(cap, 0);
	rig_cfg_write(rig, cap + VIRTIO_PCI_CAP_BAR, 1, VIRTIO_PCI_BAR);
	rig_cfg_write(rig, cap + VIRTIO_PCI_CAP_LENGTH, 4, 4);
	rig_cfg_write(rig, cap + VIRTIO_PCI_CAP_OFFSET, 4,
		      VIRTIO_PCI_DEVICE + 8);
	assert_int_equal(rig_cfg_read(rig, data, 4), 0x99aabbcc);

	rig_cfg_write(rig, cap + VIRTIO_PCI_CAP_LENGTH, 4, 1);
	rig_cfg_write(rig, cap + VIRTIO_PCI_CAP_OFFSET, 4,
		      VIRTIO_PCI_COMMON_STATUS);
	rig_cfg_write(rig, data, 1, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	assert_int_equal(rig_status(rig), VIRTIO_CONFIG_S_ACKNOWLEDGE);
	assert_int_equal(rig_cfg_read(rig, data, 1),
			 VIRTIO_CONFIG_S_ACKNOWLEDGE);

	/* Out of the BAR, of another BAR, of odd lengths: nothing happens. */
	rig_cfg_write(rig, cap + VIRTIO_PCI_CAP_OFFSET, 4, VIRTIO_PCI_BAR_LEN);
	rig_cfg_write(rig, data, 1, 0);
	assert_int_equal(rig_cfg_read(rig, data, 1), 0);
	rig_cfg_write(rig, cap + VIRTIO_PCI_CAP_OFFSET, 4, 0xffffffff);
	rig_cfg_write(rig, data, 1, 0);
	rig_cfg_write(rig, cap + VIRTIO_PCI_CAP_OFFSET, 4,
		      VIRTIO_PCI_COMMON_STATUS);
	rig_cfg_write(rig, cap + VIRTIO_PCI_CAP_LENGTH, 4, 3);
	rig_cfg_write(rig, data, 1, 0);
	rig_cfg_write(rig, cap + VIRTIO_PCI_CAP_LENGTH, 4, 0);
	rig_cfg_write(rig, data, 1, 0);
	rig_cfg_write(rig, cap + VIRTIO_PCI_CAP_LENGTH, 4, 1);
	rig_cfg_write(rig, cap + VIRTIO_PCI_CAP_BAR, 1, 1);
	rig_cfg_write(rig, data, 1, 0);
	assert_int_equal(rig_status(rig), VIRTIO_CONFIG_S_ACKNOWLEDGE);
}

/* The driver's side of the next test, in the place of a vCPU. */
static void *driver_thread(void *opaque)
{
	const uint8_t up = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
	struct rig *rig = opaque;
	const struct vring_used *used = rig_mem(rig, RIG_USED(0), 6);
	unsigned int i;

	for (i = 0; i < 100; i++) {
		rig_set_status(rig, up);
		rig_write(rig, VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
		rig_write(rig, VIRTIO_PCI_COMMON_GF, 4, RIG_FEATURES >> 32);
		rig_set_status(rig, up | VIRTIO_CONFIG_S_FEATURES_OK);
		rig_queue(rig, 0);
		rig_set_status(rig, up | VIRTIO_CONFIG_S_FEATURES_OK | OK);
		rig_add(rig, 0, &one, 1);
		rig_write(rig, VIRTIO_PCI_NOTIFY, 2, 0);
		if (i % 2)
			while (!__atomic_load_n(&used->idx, __ATOMIC_ACQUIRE))
				rig_read(rig, VIRTIO_PCI_ISR_STATUS, 1);
		rig_set_status(rig, 0);
		while (rig_status(rig))
			;
	}
	loop_stop(rig->vm.loop);
	return NULL;
}

/* Registers and rings in threads of their own; TSan watches, if it is there. */
static void test_threads(void **state)
{
	struct rig *rig = *state;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, driver_thread, rig), 0);
	assert_int_equal(loop_run(rig->vm.loop), 0);
	pthread_join(thread, NULL);
	assert_int_equal(rig_status(rig), 0);
	assert_int_equal(echo_of(rig)->resets, 101);
	assert_false(rig->pin);
}

/* Reads and writes of everything, in every width. */
static void test_all_registers(void **state)
{
	struct rig *rig = *state;
	unsigned int off, size;
	uint32_t seed = 1;

	for (off = 0; off < VIRTIO_PCI_BAR_LEN; off++)
		for (size = 1; size <= 8 && off + size <= VIRTIO_PCI_BAR_LEN;
		     size *= 2) {
			seed = seed * 1103515245 + 12345;
			rig_read(rig, off, size);
			rig_write(rig, off, size, (uint64_t)seed << 32 | seed);
		}
	rig_run(rig);
	rig_drive(rig, 0);
	rig_add(rig, 0, &one, 1);
	rig_kick(rig, 0);
	assert_int_equal(rig_used(rig, 0, NULL), 1);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_identity),
		TEST(test_features),
		TEST(test_queue_registers),
		TEST(test_msix),
		TEST(test_intx),
		TEST(test_budget),
		TEST(test_early_kick),
		TEST(test_bus_doorbell),
		TEST(test_bar_moves),
		TEST(test_reset),
		TEST(test_machine_reset),
		TEST(test_stop),
		TEST(test_broken),
		TEST(test_bad_start),
		TEST(test_queue_reset),
		TEST(test_config_change),
		TEST(test_cfg_window),
		TEST(test_threads),
		TEST(test_all_registers),
	};

	return cmocka_run_group_tests_name("virtio_pci", tests, NULL, NULL);
}
