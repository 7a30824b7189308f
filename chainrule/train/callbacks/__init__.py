"""What happens beside the steps of a training: stopping, saving, showing."""
