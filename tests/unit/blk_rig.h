/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A virtio disk with an image whose contents are known. */
#ifndef TEST_BLK_RIG_H
#define TEST_BLK_RIG_H

#include "virtio_rig.h"
#include "virtio/virtio_devices.h"

#define SECTORS 64
#define UNTOUCHED 0xee

struct fixture {
	struct rig *rig; /* by the test */
	char path[64];
	int fd; /* the image, for the test */
	struct disk_config disk;
	struct rig_watch watch;
};

/* Byte @i of sector @s of a new image. */
static inline uint8_t pattern(unsigned int s, unsigned int i)
{
	return (uint8_t)(s * 7 + i);
}

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	uint8_t sector[BLOCK_SECTOR];
	unsigned int s, i;

	assert_non_null(f);
	strcpy(f->path, "/var/tmp/vireo-test-blk-XXXXXX");
	f->fd = mkstemp(f->path);
	assert_true(f->fd >= 0);
	for (s = 0; s < SECTORS; s++) {
		for (i = 0; i < BLOCK_SECTOR; i++)
			sector[i] = pattern(s, i);
		assert_int_equal(write(f->fd, sector, BLOCK_SECTOR),
				 BLOCK_SECTOR);
	}
	f->disk.path = f->path;
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->rig)
		rig_free(f->rig);
	close(f->fd);
	unlink(f->path);
	free(f);
	return 0;
}

#endif
