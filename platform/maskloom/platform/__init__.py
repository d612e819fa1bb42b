"""What everything stands on; knows no network and no method."""
