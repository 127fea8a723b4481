// SPDX-License-Identifier: GPL-2.0-or-later
/* Runs all cases of hostile drivers with all kinds of devices and features. */
#include <stdio.h>

#include "hostile.h"

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

#define MAX_KINDS 8

struct run {
	const struct hostile_kind *kind;
	struct rig *rig; /* the machine of the kind, for all of its cases */
	uint64_t features;
	const struct hostile_case *what;
};

static void run_case(void **state)
{
	const struct run *run = *state;
	const struct hostile_case *c = run->what;
	struct hostile h = {
		.kind = run->kind,
		.rig = run->rig,
		.features = run->features,
		.packed = run->features & H_PACKED,
		.q = run->kind->queue,
		.seed = (uint32_t)(run->features >> 24 ^ run->features),
	};
	enum hostile_expect expect;
	unsigned int i;

	rig_msix_on(h.rig);
	h_drive(&h);
	c->fn(&h);
	expect = h.packed ? c->packed : c->split;
	for (i = 0; expect == BREAKS && !h_broken(&h) && i < 10000; i++)
		h_wait(&h);
	if (expect != ANY)
		assert_int_equal(h_broken(&h), expect == BREAKS);

	/* And yet it works, for more than a round of the ring. */
	h_drive(&h);
	for (i = 0; i < H_NUM + 3; i++)
		h_works(&h);
}

static struct rig *make_machine(const struct hostile_kind *kind)
{
	struct error err = { "" };
	struct rig *rig;

	rig_next_config.virtio.packed = true;
	rig_next_config.virtio.transitional = true;
	if (rig_init_on(&rig, &rig_accel_irqfd_ops, kind->class, kind->config(),
			&err))
		fail_msg("%s: %s", kind->name, err.text);
	return rig;
}

static void add_run(struct CMUnitTest *test, struct run *run)
{
	char *name;

	if (asprintf(&name, "%s %s %#llx", run->kind->name, run->what->name,
		     (unsigned long long)run->features) < 0)
		abort();
	*test = (struct CMUnitTest){
		.name = name,
		.test_func = run_case,
		.initial_state = run,
	};
}

static unsigned int count(const struct hostile_case *const *tables)
{
	const struct hostile_case *c;
	unsigned int n = 0;

	for (; *tables; tables++)
		for (c = *tables; c->name; c++)
			n++;
	return n;
}

int hostile_run(const char *group, const struct hostile_kind *kinds,
		const struct hostile_case *const *tables)
{
	unsigned int nr_cases = count(tables), nr_kinds, n = 0, i, k, f;
	const struct hostile_case *const *t, *c;
	struct rig *rigs[MAX_KINDS];
	struct CMUnitTest *tests;
	struct run *runs;
	int failed;

	for (nr_kinds = 0; kinds[nr_kinds].name; nr_kinds++) {
		assert_in_range(nr_kinds, 0, MAX_KINDS - 1);
		rigs[nr_kinds] = make_machine(&kinds[nr_kinds]);
	}
	tests = calloc(nr_cases * nr_kinds * NR_FEATURES, sizeof(*tests));
	runs = calloc(nr_cases * nr_kinds * NR_FEATURES, sizeof(*runs));
	assert_true(tests && runs);
	for (t = tables; *t; t++)
		for (c = *t; c->name; c++)
			for (k = 0; k < nr_kinds; k++)
				for (f = 0; f < NR_FEATURES; f++, n++) {
					runs[n] = (struct run){
						&kinds[k],
						rigs[k],
						ring_features[f],
						c,
					};
					add_run(&tests[n], &runs[n]);
				}
	failed = _cmocka_run_group_tests(group, tests, n, NULL, NULL);
	for (i = 0; i < nr_kinds; i++)
		rig_free(rigs[i]);
	for (i = 0; i < n; i++)
		free((void *)(uintptr_t)tests[i].name);
	free(runs);
	free(tests);
	return failed;
}
