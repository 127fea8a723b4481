// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Drivers that do what the specification forbids, to every kind of device, with
 * rings of both kinds and all features of rings: nothing may be touched that is
 * not the guest's, a ring that cannot be right is said to need a reset, and after
 * that reset the device works.
 *
 * tests/unit/run takes this program from build/asan, where ASan and UBSan watch.
 */
#include <linux/virtio_blk.h>
#include <stdio.h>

#include "hostile.h"
#include "virtio/virtio_devices.h"

/* ---- kinds of devices -------------------------------------------------------- */

static char image[] = "/tmp/vireo-test-hostile-XXXXXX";
#define SECTORS 64

static const void *blk_config(void)
{
	static struct disk_config disk = { .path = image };

	return &disk;
}

static unsigned int blk_ask(struct rig *rig, struct rig_buf *bufs)
{
	const struct virtio_blk_outhdr hdr = { .sector = 3 };

	memcpy(rig_mem(rig, RIG_DATA, 16), &hdr, 16);
	memset(rig_mem(rig, RIG_DATA + 0x1000, 513), 0xee, 513);
	bufs[0] = (struct rig_buf){ RIG_DATA, 16, false };
	bufs[1] = (struct rig_buf){ RIG_DATA + 0x1000, 512, true };
	bufs[2] = (struct rig_buf){ RIG_DATA + 0x1200, 1, true };
	return 3;
}

/* A hostile request may have written to the image. */
static bool blk_answered(struct rig *rig, uint32_t len)
{
	return len == 513 && *(uint8_t *)rig_mem(rig, RIG_DATA + 0x1200, 1) ==
				     VIRTIO_BLK_S_OK;
}

static const void *rng_config(void)
{
	static struct rng_config rng = { .present = true };

	return &rng;
}

static unsigned int rng_ask(struct rig *rig, struct rig_buf *bufs)
{
	(void)rig;
	bufs[0] = (struct rig_buf){ RIG_DATA, 32, true };
	bufs[1] = (struct rig_buf){ RIG_DATA + 0x1000, 32, true };
	return 2;
}

static bool rng_answered(struct rig *rig, uint32_t len)
{
	(void)rig;
	return len == 64;
}

static const void *vcon_config(void)
{
	static char none[] = "none";
	static struct vcon_config vcon = { .target = none };

	return &vcon;
}

static unsigned int vcon_ask(struct rig *rig, struct rig_buf *bufs)
{
	memcpy(rig_mem(rig, RIG_DATA, 5), "hello", 5);
	bufs[0] = (struct rig_buf){ RIG_DATA, 3, false };
	bufs[1] = (struct rig_buf){ RIG_DATA + 3, 2, false };
	return 2;
}

static bool vcon_answered(struct rig *rig, uint32_t len)
{
	(void)rig;
	return len == 0;
}

static const struct hostile_kind kinds[] = {
	{ "blk", &virtio_blk_class, blk_config, 0, blk_ask, blk_answered },
	{ "rng", &virtio_rng_class, rng_config, 0, rng_ask, rng_answered },
	{ "console", &virtio_console_class, vcon_config, 1, vcon_ask,
	  vcon_answered },
};

#define NR_KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* ---- all of them, with all kinds and features --------------------------------------- */

static const uint64_t ring_features[] = {
	0,
	H_INDIRECT_DESC,
	H_EVENT_IDX,
	H_INDIRECT_DESC | H_EVENT_IDX,
	H_INDIRECT_DESC | H_EVENT_IDX | H_RESET,
	H_PACKED,
	H_PACKED | H_INDIRECT_DESC,
	H_PACKED | H_EVENT_IDX,
	H_PACKED | H_INDIRECT_DESC | H_EVENT_IDX,
	H_PACKED | H_INDIRECT_DESC | H_EVENT_IDX | H_RESET,
};

#define NR_FEATURES (sizeof(ring_features) / sizeof(ring_features[0]))

/* The machine of a kind, for all of its cases. */
static struct rig *rigs[NR_KINDS];

struct run {
	unsigned int kind;
	unsigned int features;
	const struct hostile_case *what;
};

static void run_case(void **state)
{
	const struct run *run = *state;
	const struct hostile_case *c = run->what;
	struct hostile h = {
		.kind = &kinds[run->kind],
		.rig = rigs[run->kind],
		.features = ring_features[run->features],
		.q = kinds[run->kind].queue,
		.seed = 1000 * run->features,
	};
	enum hostile_expect expect;
	unsigned int i;

	h.packed = h.features & H_PACKED;
	rig_msix_on(h.rig);
	h_drive(&h);
	c->fn(&h);
	expect = h.packed ? c->packed : c->split;
	if (expect != ANY)
		assert_int_equal(h_broken(&h), expect == BREAKS);

	/* And yet it works, for more than a round of the ring. */
	h_drive(&h);
	for (i = 0; i < H_NUM + 3; i++)
		h_works(&h);
}

static int make_machines(void **state)
{
	struct error err = { "" };
	unsigned int i;
	int fd;

	(void)state;
	fd = mkstemp(image);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, SECTORS * 512), 0);
	close(fd);
	for (i = 0; i < NR_KINDS; i++) {
		rig_next_config.virtio.packed = true;
		rig_next_config.virtio.transitional = true;
		if (rig_init_on(&rigs[i], &rig_accel_irqfd_ops, kinds[i].class,
				kinds[i].config(), &err))
			fail_msg("%s: %s", kinds[i].name, err.text);
	}
	return 0;
}

static int free_machines(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < NR_KINDS; i++)
		rig_free(rigs[i]);
	unlink(image);
	return 0;
}

#define MAX_RUNS (NR_KINDS * NR_FEATURES * 100)

static unsigned int add_runs(struct CMUnitTest *tests, struct run *runs,
			     unsigned int n, const struct hostile_case *c)
{
	unsigned int kind, features;
	char *name;

	for (; c->name; c++)
		for (kind = 0; kind < NR_KINDS; kind++)
			for (features = 0; features < NR_FEATURES; features++) {
				if (n == MAX_RUNS ||
				    asprintf(&name, "%s %s %#llx",
					     kinds[kind].name, c->name,
					     (unsigned long long)
						     ring_features[features]) <
					    0)
					abort();
				runs[n] = (struct run){ kind, features, c };
				tests[n] = (struct CMUnitTest){
					.name = name,
					.test_func = run_case,
					.initial_state = &runs[n],
				};
				n++;
			}
	return n;
}

int main(void)
{
	static struct CMUnitTest tests[MAX_RUNS];
	static struct run runs[MAX_RUNS];
	unsigned int n, i;
	int failed;

	n = add_runs(tests, runs, 0, hostile_ring_cases);
	n = add_runs(tests, runs, n, hostile_register_cases);
	failed = _cmocka_run_group_tests("hostile", tests, n, make_machines,
					 free_machines);
	for (i = 0; i < n; i++)
		free((void *)(uintptr_t)tests[i].name);
	return failed;
}
