// SPDX-License-Identifier: GPL-2.0-or-later
/* virtio-scsi: events, hot-plug, media. */
#include "virtio_scsi_rig.h"

static struct virtio_scsi_ctrl_an_resp
notification(struct fixture *f, uint32_t type, uint8_t target, uint32_t events)
{
	const struct virtio_scsi_ctrl_an_req an = {
		.type = type,
		.lun = TARGET(target),
		.event_requested = events,
	};
	struct virtio_scsi_ctrl_an_resp resp;
	const struct rig_buf bufs[2] = {
		{ TMF, sizeof(an), false },
		{ TMF + 0x100, sizeof(resp), true },
	};

	memcpy(rig_mem(f->rig, TMF, sizeof(an)), &an, sizeof(an));
	rig_add(f->rig, CONTROL, bufs, 2);
	rig_kick(f->rig, CONTROL);
	finish(f, CONTROL, 1, NULL);
	memcpy(&resp, rig_mem(f->rig, TMF + 0x100, sizeof(resp)), sizeof(resp));
	return resp;
}

/* ---- events ---------------------------------------------------------------- */

static void add_event_buffer(struct fixture *f)
{
	const struct rig_buf buf = { EVENTS, 16, true };

	memset(rig_mem(f->rig, EVENTS, 16), UNTOUCHED, 16);
	rig_add(f->rig, EVENT, &buf, 1);
	rig_kick(f->rig, EVENT);
}

static void expect_event(struct fixture *f, uint32_t event, uint8_t target,
			 uint32_t reason)
{
	const struct virtio_scsi_event *e = rig_mem(f->rig, EVENTS, sizeof(*e));

	finish(f, EVENT, 1, NULL);
	assert_int_equal(e->event, event);
	assert_int_equal(e->lun[0], event & 0xff ? 1 : 0);
	assert_int_equal(e->lun[1], target);
	assert_int_equal(e->reason, reason);
}

/* To what it has by now. */
static void resize(struct fixture *f)
{
	struct error err = { "" };

	assert_int_equal(virtio_scsi_resize(f->rig->dev, 0, 0, &err), 0);
}

static void test_events(void **state)
{
	struct fixture *f = *state;
	const struct ask ready = { .lun = TARGET(0) };
	struct virtio_scsi_cmd_resp *resp;

	start(f, F(HOTPLUG) | F(CHANGE));
	settle(f, 0);
	add_event_buffer(f);
	assert_int_equal(rig_used(f->rig, EVENT, NULL), 0);
	resize(f);
	expect_event(f, VIRTIO_SCSI_T_PARAM_CHANGE, 0, 0x2a | 0x09 << 8);
	resp = request(f, &ready, NULL);
	assert_int_equal(resp->sense[12], 0x2a);
	assert_int_equal(resp->sense[13], 0x09);

	/* Without a buffer one is missed, and that is told. */
	resize(f);
	add_event_buffer(f);
	expect_event(f, VIRTIO_SCSI_T_NO_EVENT | VIRTIO_SCSI_T_EVENTS_MISSED, 0,
		     0);
	add_event_buffer(f);
	assert_int_equal(rig_used(f->rig, EVENT, NULL), 0);
}

static void test_events_unwanted(void **state)
{
	struct fixture *f = *state;

	start(f, 0);
	add_event_buffer(f);
	resize(f);
	rig_run(f->rig);
	assert_int_equal(rig_used(f->rig, EVENT, NULL), 0);
}

static uint32_t event_at(struct fixture *f, unsigned int n)
{
	return *(uint32_t *)rig_mem(f->rig, EVENTS + 16ULL * n, 4);
}

/* What happens while the machine stands still is told when it goes on. */
static void test_events_kept(void **state)
{
	struct rig_buf buf = { EVENTS, 16, true };
	struct fixture *f = *state;
	const struct disk_config more = { .path = f->path[1],
					  .readonly = true };
	struct error err = { "" };
	unsigned int i;

	start(f, F(HOTPLUG) | F(CHANGE));
	add_event_buffer(f);
	devices_stop(&f->rig->vm);
	assert_int_equal(virtio_scsi_attach(f->rig->dev, &more, &err), 2);
	rig_run(f->rig);
	assert_int_equal(rig_used(f->rig, EVENT, NULL), 0);
	devices_start(&f->rig->vm);
	rig_run(f->rig);
	expect_event(f, VIRTIO_SCSI_T_TRANSPORT_RESET, 2,
		     VIRTIO_SCSI_EVT_RESET_RESCAN);
	settle(f, 2);

	/* In their order; of very many it is told that some are missing. */
	for (i = 0; i < 10; i++, buf.addr += 16)
		rig_add(f->rig, EVENT, &buf, 1);
	devices_stop(&f->rig->vm);
	virtio_scsi_detach(f->rig->dev, 2);
	resize(f);
	devices_start(&f->rig->vm);
	finish(f, EVENT, 2, NULL);
	assert_int_equal(event_at(f, 0), VIRTIO_SCSI_T_TRANSPORT_RESET);
	assert_int_equal(event_at(f, 1), VIRTIO_SCSI_T_PARAM_CHANGE);
	devices_stop(&f->rig->vm);
	for (i = 0; i < 9; i++)
		resize(f);
	devices_start(&f->rig->vm);
	rig_run(f->rig);
	assert_int_equal(rig_used(f->rig, EVENT, NULL), 8);
	assert_int_equal(event_at(f, 2), VIRTIO_SCSI_T_PARAM_CHANGE |
						 VIRTIO_SCSI_T_EVENTS_MISSED);
	assert_int_equal(event_at(f, 3), VIRTIO_SCSI_T_PARAM_CHANGE);

	/* A driver that comes later does not hear of it. */
	devices_stop(&f->rig->vm);
	resize(f);
	devices_reset(&f->rig->vm);
	devices_start(&f->rig->vm);
	rig_drive(f->rig, F(HOTPLUG) | F(CHANGE));
	add_event_buffer(f);
	assert_int_equal(rig_used(f->rig, EVENT, NULL), 0);
}

static void test_hotplug(void **state)
{
	struct fixture *f = *state;
	const struct disk_config more = { .path = f->path[1],
					  .readonly = true };
	struct ask ask = { .lun = TARGET(2) };
	struct error err = { "" };
	int number;

	start(f, F(HOTPLUG));
	add_event_buffer(f);
	assert_int_equal(request(f, &ask, NULL)->response,
			 VIRTIO_SCSI_S_BAD_TARGET);
	number = virtio_scsi_attach(f->rig->dev, &more, &err);
	assert_int_equal(number, 2);
	expect_event(f, VIRTIO_SCSI_T_TRANSPORT_RESET, 2,
		     VIRTIO_SCSI_EVT_RESET_RESCAN);
	settle(f, 2);
	add_event_buffer(f);
	/* It goes with a request in flight. */
	ask = (struct ask)READ(2, 0, 8);
	add(f, &ask);
	rig_ring(f->rig, REQUEST);
	virtio_scsi_detach(f->rig->dev, 2);
	rig_run(f->rig);
	finish(f, REQUEST, 1, NULL);
	assert_int_equal(resp_of(f, 0)->response, VIRTIO_SCSI_S_BAD_TARGET);
	expect_event(f, VIRTIO_SCSI_T_TRANSPORT_RESET, 2,
		     VIRTIO_SCSI_EVT_RESET_REMOVED);
	rig_run(f->rig);
	assert_int_equal(virtio_scsi_attach(f->rig->dev, &more, &err), 2);
}

/* ---- the drive ------------------------------------------------------------- */

static void test_media(void **state)
{
	struct fixture *f = *state;
	const struct block_options none = { .path = "/nonexistent/image",
					    .readonly = true };
	const struct block_options disk = { .path = f->path[1],
					    .readonly = true };
	const struct ask lock = { .lun = TARGET(1),
				  .cdb = { 0x1e, 0, 0, 0, 1 } };
	struct ask ask = READ(1, 0, 4);
	struct scsi_status_of st;
	struct error err = { "" };

	start(f, 0);
	settle(f, 1);
	ask.cdb[8] = 1;
	assert_int_equal(notification(f, VIRTIO_SCSI_T_AN_QUERY, 1, 0xff)
				 .event_actual,
			 16);
	assert_int_equal(notification(f, VIRTIO_SCSI_T_AN_QUERY, 0, 0xff)
				 .event_actual,
			 0);
	assert_int_equal(notification(f, VIRTIO_SCSI_T_AN_QUERY, 9, 1).response,
			 VIRTIO_SCSI_S_BAD_TARGET);
	assert_int_equal(notification(f, VIRTIO_SCSI_T_AN_SUBSCRIBE, 1, 16)
				 .event_actual,
			 16);
	assert_int_equal(request(f, &ask, NULL)->status, 0);

	assert_int_equal(virtio_scsi_eject(f->rig->dev, 0, false, &err),
			 -EINVAL);
	request(f, &lock, NULL);
	add_event_buffer(f);
	assert_int_equal(virtio_scsi_eject(f->rig->dev, 1, false, &err),
			 -EBUSY);
	expect_event(f, VIRTIO_SCSI_T_ASYNC_NOTIFY, 1, 16);
	assert_int_equal(request(f, &ask, NULL)->status, 0);
	assert_true(virtio_scsi_status(f->rig->dev, 1, &st));
	assert_true(st.locked && !st.tray_open && st.cdrom && st.blk.block);

	assert_int_equal(virtio_scsi_eject(f->rig->dev, 1, true, &err), 0);
	assert_true(virtio_scsi_status(f->rig->dev, 1, &st));
	assert_true(!st.locked && st.tray_open && !st.blk.block);
	assert_int_equal(request(f, &ask, NULL)->sense[12], 0x3a);

	assert_int_equal(virtio_scsi_insert(f->rig->dev, 1, &none, false, &err),
			 -ENOENT);
	assert_int_equal(virtio_scsi_insert(f->rig->dev, 1, &disk, false, &err),
			 0);
	assert_true(virtio_scsi_status(f->rig->dev, 1, &st));
	assert_true(!st.tray_open && st.blk.block);
	assert_int_equal(request(f, &ask, NULL)->sense[12], 0x28);
	assert_int_equal(request(f, &ask, NULL)->status, 0);
	assert_false(virtio_scsi_status(f->rig->dev, 2, &st));
	assert_false(virtio_scsi_status(f->rig->dev, 1000, &st));
}

static void test_empty_drive(void **state)
{
	struct fixture *f = *state;
	struct ask ask = { .lun = TARGET(1) };

	f->cfg.cdroms[0].path = (char *)"none";
	start(f, 0);
	request(f, &ask, NULL);
	assert_int_equal(request(f, &ask, NULL)->sense[12], 0x3a);
	assert_int_equal(resp_of(f, 0)->sense[13], 0x01);
}

static void test_no_image(void **state)
{
	struct fixture *f = *state;
	struct error err = { "" };

	f->cfg.cdroms[0].path = (char *)"/nonexistent/image";
	assert_int_equal(rig_init(&f->rig, &virtio_scsi_class, &f->cfg, &err),
			 -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/image"));
}

#define T_(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_(test_events),      T_(test_events_unwanted),
		T_(test_events_kept), T_(test_hotplug),
		T_(test_media),	      T_(test_empty_drive),
		T_(test_no_image),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
