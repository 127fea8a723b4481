// SPDX-License-Identifier: GPL-2.0
/* Block queues whose doorbell a guest rings. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "common.h"
#include "ring.h"

#define BELL 0x600

FIXTURE(bell)
{
	struct rig r;
	struct guest g;
	int fd;
	uint16_t bus;
};

FIXTURE_SETUP(bell)
{
	self->fd = ram_open();
	if (self->fd < 0)
		SKIP_SETUP("no RAM disk");
	if (guest_create(&self->g, 2))
		SKIP_SETUP("no KVM");
	ASSERT_EQ(rig_open_on(&self->r, dup(self->g.vm)), 0);
	if (exit_path(self->r.dev) != VIREO_EXIT_PATH_BUS)
		SKIP_SETUP("no doorbells on this exit path");
	ASSERT_EQ(rig_disk(&self->r, self->fd, RIG_DISK, 0), 0);
}

FIXTURE_TEARDOWN(bell)
{
	rig_close(&self->r);
	guest_destroy(&self->g);
	close(self->fd);
}

static int add(struct rig *r, uint32_t flags, uint32_t len, uint64_t match)
{
	struct vireo_queue_add a = queue_template(r);

	a.flags = VIREO_QUEUE_DOORBELL | flags;
	a.kick_fd = -1;
	a.bell_bus = VIREO_BUS_PIO;
	a.bell_addr = BELL;
	a.bell_len = len;
	a.bell_match = match;
	a.next_avail = a.next_used = r->used->idx;
	return rig_add(r, &a);
}

/* Whether it reached user space. */
static bool ring(struct guest *g, int width, uint64_t addr, uint64_t value)
{
	bool passed;

	guest_access(g, GUEST_OUT, width, addr, value, &passed);
	return passed;
}

/* What the worker does once when a queue is added is not what is looked at. */
static void settled(void)
{
	usleep(20000);
}

TEST_F(bell, serves_at_once)
{
	struct rig *r = &self->r;
	uint16_t head[16];

	ASSERT_EQ(add(r, 0, 2, 0), 0);
	settled();
	for (int i = 0; i < 16; i++) {
		page_fill(r->p + RIG_DATA + i * PAGE, i, 2);
		head[i] = rig_put(r, VIRTIO_BLK_T_OUT, i * 8,
				  RIG_DATA + i * PAGE, PAGE);
	}
	EXPECT_FALSE(ring(&self->g, 2, BELL, 0));
	/* A RAM disk is done with it when the vCPU goes on. */
	EXPECT_EQ(r->used->idx, 16);
	EXPECT_EQ(eventfd_take(r->call), 1);
	for (int i = 0; i < 16; i++)
		EXPECT_EQ(rig_req(r, head[i])->status, 0);
	for (int i = 0; i < 16; i++) {
		uint8_t *p = r->p + RIG_DATA;

		rig_put(r, VIRTIO_BLK_T_IN, i * 8, RIG_DATA, PAGE);
		EXPECT_FALSE(ring(&self->g, 2, BELL, 0));
		EXPECT_TRUE(page_is(p, i, 2));
	}
}

TEST_F(bell, only_its_own)
{
	struct rig *r = &self->r;
	struct vireo_queue_del del = {};

	ASSERT_EQ(add(r, 0, 2, 0), 0);
	EXPECT_FALSE(ring(&self->g, 2, BELL, 77));
	EXPECT_FALSE(ring(&self->g, 1, BELL, 0));
	EXPECT_TRUE(ring(&self->g, 4, BELL, 0));
	EXPECT_TRUE(ring(&self->g, 1, BELL + 1, 0));
	EXPECT_TRUE(ring(&self->g, 2, BELL + 2, 0));
	ASSERT_EQ(rig_del(r, &del), 0);
	EXPECT_TRUE(ring(&self->g, 2, BELL, 0));

	ASSERT_EQ(add(r, VIREO_QUEUE_BELL_MATCH, 2, 5), 0);
	EXPECT_FALSE(ring(&self->g, 2, BELL, 5));
	EXPECT_TRUE(ring(&self->g, 2, BELL, 4));
}

/* A vCPU rings all the while, and so does an eventfd. */
static void *ringer(void *arg)
{
	struct guest *g = arg;

	guest_reset(g);
	for (int i = 0; i < 500; i++)
		guest_add(g, 1, GUEST_OUT, 2, BELL, 0)->repeat = 50;
	guest_run(g, 1);
	return NULL;
}

TEST_F(bell, from_all_sides)
{
	struct rig *r = &self->r;
	struct vireo_queue_add a = queue_template(r);
	struct vireo_queue_del del = {};
	pthread_t thread;

	a.flags = VIREO_QUEUE_DOORBELL;
	a.bell_addr = BELL;
	a.bell_len = 2;
	ASSERT_EQ(rig_add(r, &a), 0);
	ASSERT_EQ(pthread_create(&thread, NULL, ringer, &self->g), 0);
	for (int i = 0; i < 200; i++) {
		uint16_t head[5];

		for (int k = 0; k < 5; k++) {
			page_fill(r->p + RIG_DATA + k * PAGE, k, i);
			head[k] = rig_put(r, VIRTIO_BLK_T_OUT, k * 8,
					  RIG_DATA + k * PAGE, PAGE);
		}
		rig_kick(r);
		ASSERT_TRUE(rig_wait(r, 5));
		for (int k = 0; k < 5; k++)
			ASSERT_EQ(rig_req(r, head[k])->status, 0);
		rig_put(r, VIRTIO_BLK_T_IN, (i % 5) * 8, RIG_DATA + 8 * PAGE,
			PAGE);
		rig_kick(r);
		ASSERT_TRUE(rig_wait(r, 1));
		ASSERT_TRUE(page_is(r->p + RIG_DATA + 8 * PAGE, i % 5, i));
	}
	EXPECT_EQ(rig_del(r, &del), 0);
	EXPECT_EQ(del.next_used, (uint16_t)1200);
	pthread_join(thread, NULL);
}

/* Queues come and go while a vCPU rings. */
TEST_F(bell, comes_and_goes)
{
	struct rig *r = &self->r;
	struct vireo_queue_del del = {};
	pthread_t thread;

	ASSERT_EQ(pthread_create(&thread, NULL, ringer, &self->g), 0);
	for (int i = 0; i < 50; i++) {
		ASSERT_EQ(add(r, 0, 2, 0), 0);
		for (int k = 0; k < 5; k++)
			rig_put(r, VIRTIO_BLK_T_IN, k * 8, RIG_DATA, PAGE);
		ASSERT_TRUE(rig_wait(r, 5));
		ASSERT_EQ(rig_del(r, &del), 0);
		EXPECT_EQ(del.next_avail, r->next_avail);
	}
	pthread_join(thread, NULL);
}

TEST_HARNESS_MAIN
