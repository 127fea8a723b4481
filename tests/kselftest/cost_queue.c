// SPDX-License-Identifier: GPL-2.0
/*
 * What a request to a block queue costs the host, from the guest's doorbell until
 * the guest goes on, of a RAM disk: in nanoseconds of the host's clock, which in a
 * lab may count instructions.  A test of nothing.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common.h"
#include "ring.h"

#define BELL 0x600
#define N 100
#define ROUNDS 10

static struct guest guest;
static struct rig rig;

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* A doorbell for each so many requests, all of which are one descriptor chain. */
static long long run(int bells, int requests)
{
	long long start;

	guest_reset(&guest);
	for (int i = 0; i < bells; i++) {
		rig.next_avail += requests;
		guest_add(&guest, 0, GUEST_WRITE, 2, RIG_GPA + RIG_AVAIL + 2,
			  rig.next_avail);
		guest_add(&guest, 0, GUEST_OUT, 2, BELL, 0);
	}
	start = now();
	if (guest_run(&guest, 0) || rig.used->idx != rig.next_avail) {
		fprintf(stderr, "cost_queue: %u of %u done\n", rig.used->idx,
			rig.next_avail);
		exit(1);
	}
	return now() - start;
}

static long long least(int bells, int requests)
{
	long long t, min = run(bells, requests);

	for (int i = 1; i < ROUNDS; i++) {
		t = run(bells, requests);
		if (t < min)
			min = t;
	}
	return min;
}

/* The difference of n and 2n takes out what is not in the loop. */
static void measure(const char *what, uint32_t type, uint32_t len, int requests)
{
	long long once;
	uint16_t head = rig.next_desc;

	rig_put(&rig, type, 0, RIG_DATA, len);
	rig.next_avail--;
	for (int i = 0; i < RIG_NUM; i++)
		rig.avail->ring[i] = head;
	rig.avail->idx = rig.next_avail;
	once = least(N, requests);
	printf("%-24s %lld\n", what, (least(2 * N, requests) - once) / N);
}

int main(void)
{
	struct vireo_queue_add add;
	int fd = ram_open();

	if (fd < 0 || guest_create(&guest, 1) ||
	    rig_open_on(&rig, dup(guest.vm)) ||
	    exit_path(rig.dev) != VIREO_EXIT_PATH_BUS) {
		fprintf(stderr, "cost_queue: no RAM disk, guest or doorbell\n");
		return 4;
	}
	memset(rig.p, 0, RIG_BYTES);
	if (guest_map_object(&guest, rig.p, RIG_BYTES) ||
	    rig_disk(&rig, fd, RIG_DISK, 0))
		return 1;
	add = queue_template(&rig);
	add.flags = VIREO_QUEUE_DOORBELL;
	add.bell_addr = BELL;
	add.bell_len = 2;
	add.kick_fd = -1;
	if (rig_add(&rig, &add))
		return 1;
	usleep(20000);
	measure("warm", VIRTIO_BLK_T_OUT, 4096, 1);
	measure("bell_of_nothing", VIRTIO_BLK_T_OUT, 4096, 0);
	measure("get_id", VIRTIO_BLK_T_GET_ID, 20, 1);
	measure("read_512", VIRTIO_BLK_T_IN, 512, 1);
	measure("read_4096", VIRTIO_BLK_T_IN, 4096, 1);
	measure("write_4096", VIRTIO_BLK_T_OUT, 4096, 1);
	measure("read_65536", VIRTIO_BLK_T_IN, 65536, 1);
	measure("read_4096_by_8", VIRTIO_BLK_T_IN, 4096, 8);
	return 0;
}
