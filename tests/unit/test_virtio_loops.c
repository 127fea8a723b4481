// SPDX-License-Identifier: GPL-2.0-or-later
/* Queues in loops of their own, and messages by eventfd. */
#include <semaphore.h>

#include "echo.h"

/* ---- messages by eventfd --------------------------------------------------- */

static int setup_irqfd(void **state)
{
	struct error err = { "" };
	struct rig *rig;

	if (rig_init_on(&rig, &rig_accel_irqfd_ops, &echo_class, NULL, &err))
		fail_msg("%s", err.text);
	*state = rig;
	return 0;
}

static void set_mask(struct rig *rig, unsigned int vector, bool masked)
{
	bus_write(&rig->vm.mmio, &rig->hint,
		  rig_bar(rig, VIRTIO_PCI_BAR_MSIX) + 16 * vector + 12, 4,
		  masked);
}

static uint64_t pending(struct rig *rig)
{
	return bus_read(&rig->vm.mmio, &rig->hint,
			rig_bar(rig, VIRTIO_PCI_BAR_MSIX) + 2048, 8);
}

static void one_request(struct rig *rig, unsigned int q)
{
	rig_add(rig, q, &one, 1);
	rig_kick(rig, q);
	assert_int_equal(rig_used(rig, q, NULL), 1);
}

static void test_irqfd(void **state)
{
	struct rig *rig = *state;
	unsigned int cap = rig_cap(rig, PCI_CAP_ID_MSIX, 0);

	rig_drive(rig, 0);
	one_request(rig, 1);
	assert_int_equal(rig->msis[1], 1);

	/* Masked, it is pending, and sent when it no longer is. */
	set_mask(rig, 1, true);
	one_request(rig, 1);
	assert_int_equal(rig->msis[1], 1);
	assert_int_equal(pending(rig), 2);
	set_mask(rig, 1, false);
	assert_int_equal(rig->msis[1], 2);
	assert_int_equal(pending(rig), 0);
	rig_cfg_write(rig, cap + PCI_MSIX_FLAGS, 2,
		      PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	one_request(rig, 0);
	assert_int_equal(pending(rig), 1);
	rig_cfg_write(rig, cap + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(rig->msis[0], 1);

	/* Another message for the same vector. */
	bus_write(&rig->vm.mmio, &rig->hint,
		  rig_bar(rig, VIRTIO_PCI_BAR_MSIX) + 8, 4, 5);
	one_request(rig, 0);
	assert_int_equal(rig->msis[0], 1);
	assert_int_equal(rig->msis[5], 1);

	/* What is pending is forgotten with a reset of the machine. */
	set_mask(rig, 0, true);
	one_request(rig, 0);
	devices_stop(&rig->vm);
	devices_reset(&rig->vm);
	devices_start(&rig->vm);
	assert_int_equal(pending(rig), 0);
	rig_drive(rig, 0);
	assert_int_equal(rig->msis[5], 1);
	assert_int_equal(rig->msis[0], 1);
}

/* The accelerator has no more of them: messages are sent from here. */
static void test_no_routes(void **state)
{
	struct rig *rig = *state;

	rig->no_routes = true;
	rig_drive(rig, 0);
	one_request(rig, 1);
	assert_int_equal(rig->msis[1], 1);
	set_mask(rig, 1, true);
	one_request(rig, 1);
	assert_int_equal(rig->msis[1], 1);
	assert_int_equal(pending(rig), 2);
	rig->no_routes = false;
	set_mask(rig, 1, false);
	assert_int_equal(rig->msis[1], 2);
	assert_int_equal(pending(rig), 0);
	one_request(rig, 1);
	assert_int_equal(rig->msis[1], 3);
}

/* ---- a queue in a loop of its own ------------------------------------------ */

static void *loop_thread(void *opaque)
{
	loop_run(opaque);
	return NULL;
}

static void nothing(void *opaque)
{
	sem_post(opaque);
}

struct other {
	struct loop *loop;
	pthread_t thread;
};

static void other_start(struct other *other)
{
	sem_t up;
	struct loop_call call = { .fn = nothing, .opaque = &up };

	sem_init(&up, 0, 0);
	assert_int_equal(loop_new(&other->loop, NULL), 0);
	loop_post(other->loop, &call);
	assert_int_equal(pthread_create(&other->thread, NULL, loop_thread,
					other->loop),
			 0);
	sem_wait(&up);
	sem_destroy(&up);
}

static void other_stop(struct other *other)
{
	loop_stop(other->loop);
	pthread_join(other->thread, NULL);
	loop_free(other->loop);
}

static struct rig *rig_with(struct other *other)
{
	struct rig *rig;
	void *state;

	other_start(other);
	setup_irqfd(&state);
	rig = state;
	devices_stop(&rig->vm);
	echo_of(rig)->vpci.vdev.queues[1].loop = other->loop;
	devices_start(&rig->vm);
	return rig;
}

/* Waits for the loop of queue 1, with a limit for when it never comes. */
static void wait_used(struct rig *rig, unsigned int n)
{
	unsigned int got = 0, i;

	for (i = 0; got < n && i < 20000; i++) {
		got += rig_used(rig, 1, NULL);
		usleep(500);
	}
	assert_int_equal(got, n);
}

/* While somebody holds all locks that the main thread's loop takes. */
static void test_no_shared_lock(void **state)
{
	struct other other;
	struct rig *rig = rig_with(&other);
	unsigned int i;

	(void)state;
	rig_drive(rig, 0);
	pthread_mutex_lock(&rig->vm.lock);
	pthread_mutex_lock(&rig->vm.pci->lock);
	pthread_mutex_lock(&rig->dev->lock);
	pthread_mutex_lock(&rig->vm.irqs.lock);
	pthread_mutex_lock(&rig->vm.mem.lock);
	for (i = 0; i < 100; i++) {
		rig_add(rig, 1, &one, 1);
		rig_ring(rig, 1);
		wait_used(rig, 1);
	}
	pthread_mutex_unlock(&rig->vm.mem.lock);
	pthread_mutex_unlock(&rig->vm.irqs.lock);
	pthread_mutex_unlock(&rig->dev->lock);
	pthread_mutex_unlock(&rig->vm.pci->lock);
	pthread_mutex_unlock(&rig->vm.lock);
	rig_run(rig);
	assert_int_equal(rig->msis[1], 100);
	rig_free(rig);
	other_stop(&other);
}

/* Stops and resets wait for that loop. */
static void test_loops(void **state)
{
	struct other other;
	struct rig *rig = rig_with(&other);
	unsigned int i, resets;

	(void)state;
	for (i = 0; i < 50; i++) {
		rig_drive(rig, 0);
		rig_add(rig, 1, &one, 1);
		rig_ring(rig, 1);
		rig_add(rig, 0, &one, 1);
		rig_kick(rig, 0);
		assert_int_equal(rig_used(rig, 0, NULL), 1);
		wait_used(rig, 1);

		devices_stop(&rig->vm);
		rig_add(rig, 1, &one, 1);
		rig_ring(rig, 1);
		rig_write(rig, VIRTIO_PCI_NOTIFY + 4, 2, 1);
		usleep(100);
		assert_int_equal(rig_used(rig, 1, NULL), 0);
		if (i % 3 == 0)
			devices_reset(&rig->vm);
		devices_start(&rig->vm);
		if (i % 3)
			wait_used(rig, 1);

		/* In flight. */
		resets = echo_of(rig)->resets;
		rig_add(rig, 1, &one, 1);
		rig_ring(rig, 1);
		rig_set_status(rig, 0);
		rig_run(rig);
		assert_int_equal(rig_status(rig), 0);
		assert_int_equal(echo_of(rig)->resets, resets + !!(i % 3));
	}
	rig_drive(rig, 0);
	rig_free(rig);
	other_stop(&other);
}

int main(void)
{
#define TEST(fn, setup) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_irqfd, setup_irqfd),
		TEST(test_no_routes, setup_irqfd),
		cmocka_unit_test(test_no_shared_lock),
		cmocka_unit_test(test_loops),
	};

	return cmocka_run_group_tests_name("virtio_loops", tests, NULL, NULL);
}
